//! The query of a URL, decoded: clients reorder and re-encode it, so nothing may depend on its text.

use super::percent;

/// Decoded parameters in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what stands after `?`; `None` when an escape is broken.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((percent::decode(name, true)?, percent::decode(value, true)?))
        };
        text.split('&').filter(|part| !part.is_empty()).map(pair).collect::<Option<_>>().map(Self)
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name` if it is given exactly once: a signed parameter must not have a second meaning.
    pub(crate) fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }

    /// Whether `name` is given at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_order_does_not_matter() {
        let query = Query::parse("sig=ab&comp=block&blockid=YQ%3D%3D&&x").unwrap();
        assert_eq!(query.get("blockid"), Some("YQ=="));
        assert_eq!(query.get("x"), Some(""));
        assert!(query.has("comp") && !query.has("se"));
    }

    #[test]
    fn a_doubled_parameter_has_no_single_value() {
        let query = Query::parse("a=1&a=2").unwrap();
        assert_eq!((query.get("a"), query.only("a"), query.only("b")), (Some("1"), None, None));
    }
}
