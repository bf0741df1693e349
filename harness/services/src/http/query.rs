//! Decoded query of a URL. Clients reorder and re-encode it, so nothing depends on its text.

use super::percent;

/// Decoded parameters in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the text after `?`; `None` when an escape is incomplete or not UTF-8.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        percent::decode(text)?;
        Some(Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
    }

    /// First value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Value of `name` if it appears exactly once, because a signed parameter must not have a second value.
    pub(crate) fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }

    /// Whether `name` appears.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_decoded_in_any_order() {
        let query = Query::parse("sig=ab&comp=block&blockid=YQ%3D%3D&&x&plus=a+b%2B").unwrap();
        assert_eq!((query.get("blockid"), query.get("plus")), (Some("YQ=="), Some("a b+")));
        assert_eq!(query.get("x"), Some(""));
        assert!(query.has("comp") && !query.has("se"));
    }

    #[test]
    fn incomplete_escape_is_refused() {
        for text in ["a=%zz", "%f", "a=1&b=%ff"] {
            assert_eq!(Query::parse(text), None, "{text}");
        }
    }

    #[test]
    fn duplicate_parameter_has_no_single_value() {
        let query = Query::parse("a=1&a=2").unwrap();
        assert_eq!((query.get("a"), query.only("a"), query.only("b")), (Some("1"), None, None));
    }
}
