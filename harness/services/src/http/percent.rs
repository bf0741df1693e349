//! Percent encoding of paths and query values.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Every ASCII character but RFC 3986's unreserved ones.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Decodes `%XX`. `None` when an escape is incomplete or the result is not UTF-8, which the crate would let pass.
pub(crate) fn decode(text: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit));
    let complete = text.split('%').skip(1).all(is_escape);
    complete.then(|| percent_decode_str(text).decode_utf8().ok().map(Into::into)).flatten()
}

/// Encodes everything but unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn incomplete_escape_is_refused() {
        for text in ["%", "%4", "%zz", "%ff", "a%", "%+1", "%C3&%A9"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("a+b%2b").as_deref(), Some("a+b+"), "a plus stays a plus in a path");
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_to_itself(text: String) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(decode(&encoded), Some(text));
        }
    }
}
