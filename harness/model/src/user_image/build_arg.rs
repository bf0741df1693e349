//! A build argument of the user's: files hold its name and a digest of its value, never the value.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A build argument.
///
/// Its value lives in this process alone: what is written has a digest of it, by which a run that goes on knows whether it
/// was given the same value again. A digest does not hide a value that can be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum BuildArg {
    /// With a digest of its value.
    Named {
        /// Name.
        name: String,
        /// The first 16 hex digits of the SHA-256 of its value.
        sha256: String,
        /// Value, where it was given to this process.
        #[serde(skip)]
        value: Option<String>,
    },
    /// `NAME=value`, as plans of earlier versions have it.
    Plain(String),
}

/// [`BuildArg::Named`] as files hold it.
#[derive(Deserialize)]
struct Written {
    name: String,
    sha256: String,
}

// By a visitor: an untagged enum would hide the fields of a newer version from whoever lists them.
impl<'de> Deserialize<'de> for BuildArg {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgVisitor)
    }
}

struct ArgVisitor;

impl<'de> Visitor<'de> for ArgVisitor {
    type Value = BuildArg;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a build argument: `NAME=value`, or an object with `name` and `sha256`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<BuildArg, E> {
        Ok(BuildArg::Plain(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BuildArg, A::Error> {
        let Written { name, sha256 } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(BuildArg::Named { name, sha256, value: None })
    }
}

/// Text that is no build argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--build-arg {}: {why}", crate::shell::quote(given))]
pub struct BuildArgError {
    /// As far as it may be shown: a value is left out.
    given: String,
    why: String,
}

/// Placeholder for the value in the printed form of an argument.
const PLACEHOLDER: &str = "<value not kept>";
/// As earlier versions printed it, with a digest, by which a short value could be guessed.
const EARLIER_PLACEHOLDER: &str = "<value of sha256 ";

impl BuildArg {
    /// Reads `NAME=value`.
    ///
    /// # Errors
    /// A name that no Dockerfile can declare, or no value.
    pub fn parse(text: &str) -> Result<Self, BuildArgError> {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let error = |why: String| BuildArgError { given: name.to_owned(), why };
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(error("write KEY=VALUE (nothing is taken from the environment)".to_owned()));
        };
        if let Some(bad) = name.chars().find(|c| c.is_whitespace() || c.is_control() || "\"'`$\\".contains(*c)) {
            let bad = crate::image_name::described(bad);
            return Err(error(format!("the name holds a {bad}, which no ARG of a Dockerfile can: write KEY=VALUE")));
        }
        if value == PLACEHOLDER || value.starts_with(EARLIER_PLACEHOLDER) {
            return Err(error("a placeholder is given in place of the value: write the value".to_owned()));
        }
        Ok(Self::Named { name: name.to_owned(), sha256: digest(value), value: Some(value.to_owned()) })
    }

    /// Name.
    pub fn name(&self) -> &str {
        match self {
            Self::Named { name, .. } => name,
            Self::Plain(text) => text.split_once('=').map_or(text, |(name, _)| name),
        }
    }

    /// `NAME=value` for a build; none where the value is not known to this process.
    pub fn for_build(&self) -> Option<String> {
        match self {
            Self::Named { name, value, .. } => value.as_ref().map(|value| format!("{name}={value}")),
            Self::Plain(text) => Some(text.clone()),
        }
    }

    /// Whether both have one name and one value.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name() == other.name() && self.sha256() == other.sha256()
    }

    fn sha256(&self) -> String {
        match self {
            Self::Named { sha256, .. } => sha256.clone(),
            Self::Plain(text) => digest(text.split_once('=').map_or("", |(_, value)| value)),
        }
    }
}

impl fmt::Display for BuildArg {
    /// As a word of a command, a placeholder in the place of the value: not even a digest, by which a short value can be guessed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::shell::quote(&format!("{}={PLACEHOLDER}", self.name())))
    }
}

fn digest(value: &str) -> String {
    hex::encode(&Sha256::digest(value)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_argument_value_is_never_printed_or_stored() {
        let arg = BuildArg::parse("TOKEN=hunter2").unwrap();
        let json = serde_json::to_string(&arg).unwrap();
        for text in [arg.to_string(), json.clone()] {
            assert!(text.contains("TOKEN") && !text.contains("hunter2"), "{text}");
        }
        assert_eq!(arg.to_string(), "'TOKEN=<value not kept>'", "no digest in a report");
        assert_eq!(arg.for_build().as_deref(), Some("TOKEN=hunter2"));
        let read: BuildArg = serde_json::from_str(&json).unwrap();
        assert_eq!(read.for_build(), None, "a file does not have it");
        assert!(read.is_same(&arg) && !read.is_same(&BuildArg::parse("TOKEN=other").unwrap()));
    }

    #[test]
    fn plain_build_argument_of_older_plans_keeps_its_form() {
        let read: BuildArg = serde_json::from_str(r#""A=1""#).unwrap();
        assert_eq!((read.name(), read.for_build().as_deref()), ("A", Some("A=1")));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#""A=1""#, "its plan's hash stays right");
        assert!(read.is_same(&BuildArg::parse("A=1").unwrap()));
    }

    #[test]
    fn invalid_build_argument_is_refused_without_its_value() {
        for (given, says) in [
            ("A", "KEY=VALUE"),
            ("=1", "KEY=VALUE"),
            ("A B=1", "holds a space"),
            ("A\n=1", "line break"),
            ("A='<x>'", ""),
        ] {
            match BuildArg::parse(given) {
                Ok(_) => assert_eq!(says, "", "{given}"),
                Err(error) => assert!(error.to_string().contains(says) && !error.to_string().contains('\n'), "{error}"),
            }
        }
        // BuildKit's parser takes any name in an ARG that is not blank (instructions/parse.go, parseArg).
        for declared in ["1A=2", "é=1"] {
            assert!(BuildArg::parse(declared).is_ok(), "{declared}");
        }
        assert!(BuildArg::parse("A=<value of sha256 0123>").is_err(), "as an earlier report printed it");
        let printed = BuildArg::parse("A=s3cret").unwrap().to_string();
        assert!(BuildArg::parse(printed.trim_matches('\'')).unwrap_err().to_string().contains("write the value"));
        assert!(!BuildArg::parse("A B=s3cret").unwrap_err().to_string().contains("s3cret"));
    }
}
