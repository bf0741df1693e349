//! Protobuf's JSON mapping: fields are read in snake case and in camel case, because a parser must accept both. Clients send 64-bit numbers as strings (npm) or numbers (Go) and get strings,
//! which Go's client requires.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::TwirpError;

/// Parses a request. Unknown fields are ignored, because clients have many versions.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, TwirpError> {
    serde_json::from_slice(body)
        .map_err(|error| TwirpError::malformed(format!("the body is not the JSON expected: {error}")))
}

/// Value of a required field.
pub(super) fn required(field: Option<String>, name: &str) -> Result<String, TwirpError> {
    field.filter(|value| !value.is_empty()).ok_or_else(|| TwirpError::invalid(format!("{name} is required")))
}

/// Refuses a name or key with a control character or one of `forbidden`; the error names the character.
pub(super) fn refuse_characters(field: &str, value: &str, forbidden: &[char]) -> Result<(), TwirpError> {
    let Some(found) = value.chars().find(|c| c.is_control() || forbidden.contains(c)) else { return Ok(()) };
    let others = forbidden.iter().map(char::to_string).collect::<Vec<_>>().join(" ");
    Err(TwirpError::invalid(format!(
        "the {field} {value:?} has the forbidden character {found:?}: use none of {others} and no control character"
    )))
}

/// Deserializes a 64-bit size.
pub(super) fn int64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(from)?;
    let size = match &value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    size.map(Some).ok_or_else(|| D::Error::custom(format!("{value} is not a size")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sized {
        #[serde(default, deserialize_with = "int64")]
        size: Option<u64>,
    }

    #[test]
    fn sizes_are_parsed_from_numbers_and_strings() {
        let size = |json: &str| read::<Sized>(json.as_bytes()).map(|sized| sized.size);
        assert_eq!(size(r#"{"size":"10737418240"}"#), Ok(Some(10_737_418_240)));
        assert_eq!(size(r#"{"size":10737418240,"new":[1]}"#), Ok(Some(10_737_418_240)));
        assert_eq!((size("{}"), size(r#"{"size":null}"#)), (Ok(None), Ok(None)));
        for json in [r#"{"size":-1}"#, r#"{"size":"x"}"#, r#"{"size":1.5}"#, r#"{"size":true}"#, "[", ""] {
            assert_eq!(size(json).unwrap_err().status, 400, "{json}");
        }
    }
}
