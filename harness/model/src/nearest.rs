//! "Did you mean": the nearest of the known names to one that is not known.

/// The known name nearest to `given`, if one is near enough to be a likely typo.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given.to_lowercase(), name), name))
        .filter(|(score, _)| *score >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The tail of an error message: the nearest name if there is one, then all that are known.
pub fn hint(given: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`? known: {all}"),
        None => format!("known: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typo_finds_its_name_and_nonsense_finds_none() {
        let known = ["artifact", "cache-tar", "gha-cache"];
        assert_eq!(nearest("artefact", known), Some("artifact"));
        assert_eq!(nearest("gha_cache", known), Some("gha-cache"));
        assert_eq!(nearest("xyzzy", known), None);
        assert!(hint("cachetar", &known).starts_with("did you mean `cache-tar`?"));
    }
}
