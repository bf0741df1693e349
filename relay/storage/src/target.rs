//! Name, type and lifetime of a new artifact, and what the service allows.

use crate::error::Error;

/// Attempts of one name.
pub(crate) const ATTEMPTS: u32 = 9;
/// What precedes the number of an attempt. No name of a caller may end so, or `find` would take one name for another.
const MARK: &str = ".attempt-";

/// Longest time in days for which the service keeps an artifact, by the settings of an enterprise.
const MAX_DAYS: u32 = 400;

/// Name and type of a new artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactTarget {
    /// Name, unique in the run.
    pub name: String,
    /// Media type; the service stores it as the content type.
    pub mime: String,
    /// Version of the upload protocol; GitHub's client sends 7.
    pub version: u32,
    /// Days after which the service deletes the artifact; by default those of the repository's settings.
    pub expires_in_days: Option<u32>,
}

impl ArtifactTarget {
    /// Target with a media type.
    pub fn new(name: impl Into<String>, mime: impl Into<String>) -> Self {
        Self { name: name.into(), mime: mime.into(), version: 7, expires_in_days: None }
    }

    /// Target for a stream of zstd frames.
    pub fn zstd(name: impl Into<String>) -> Self {
        Self::new(name, "application/zstd")
    }

    /// Time of its end, as the service reads it.
    pub(crate) fn expires_at(&self, now: jiff::Timestamp) -> Option<String> {
        let hours = 24 * i64::from(self.expires_in_days?);
        now.checked_add(jiff::SignedDuration::from_hours(hours)).ok().map(|end| end.to_string())
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check_name(&self.name)?;
        let days = self.expires_in_days.is_none_or(|days| (1..=MAX_DAYS).contains(&days));
        Error::check_range(days, "the number of days of an artifact", "from 1 to 400")
    }
}

/// Name of an attempt, from 1.
pub(crate) fn attempt(name: &str, number: u32) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}{MARK}{number}") }
}

/// Whether a listed artifact is an attempt of `name`.
pub(crate) fn is_attempt(listed: &str, name: &str) -> bool {
    listed.starts_with(name) && (1..=ATTEMPTS).any(|number| attempt(name, number) == listed)
}

/// Whether a name ends as an attempt's does.
pub(crate) fn ends_as_attempt(name: &str) -> bool {
    let number = name.rsplit_once(MARK).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

/// Characters that the service forbids in artifact names.
pub const FORBIDDEN_IN_NAMES: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

fn check_name(name: &str) -> Result<(), Error> {
    let bad = name.is_empty() || name.contains(FORBIDDEN_IN_NAMES) || ends_as_attempt(name);
    if bad { Err(Error::BadName(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_name_is_refused_before_any_request() {
        for bad in ["", "a/b", "a\\b", "a:b", "what?", "a\nb", "\"", "<", ">", "|", "*", "a.attempt-2"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        check_name("image-1.0 (amd64)").unwrap();
    }

    #[test]
    fn days_become_the_time_of_the_end_and_are_bounded() {
        let days = |expires_in_days| ArtifactTarget { expires_in_days, ..ArtifactTarget::zstd("n") };
        let now = "2026-11-27T10:00:00Z".parse().unwrap();
        assert_eq!(days(Some(5)).expires_at(now).as_deref(), Some("2026-12-02T10:00:00Z"));
        assert_eq!(days(None).expires_at(now), None);
        for bad in [0, 401] {
            assert!(days(Some(bad)).check().unwrap_err().to_string().contains("from 1 to 400"), "{bad}");
        }
        days(Some(90)).check().unwrap();
    }

    #[test]
    fn attempt_names_are_distinguished_from_other_names() {
        assert_eq!([attempt("a", 1), attempt("a", 2)], ["a", "a.attempt-2"]);
        for (listed, is) in
            [("a", true), ("a.attempt-9", true), ("a.attempt-10", false), ("a.2", false), ("ab", false), ("", false)]
        {
            assert_eq!(is_attempt(listed, "a"), is, "{listed}");
        }
        assert!(ends_as_attempt("a.attempt-2") && !ends_as_attempt("a.attempt-") && !ends_as_attempt("a.attempt-x"));
    }
}
