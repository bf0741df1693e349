//! Errors of profiles.

use std::io;

/// Error of a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Unknown name.
    #[error("unknown profile `{name}`: {hint}, or the path of a TOML file")]
    Unknown {
        /// Given name.
        name: String,
        /// Nearest name and all known ones.
        hint: String,
    },
    /// Unreadable file.
    #[error("cannot read the profile {path}: {source}; give a name or the path of a TOML file")]
    Read {
        /// Given path.
        path: String,
        /// Error of the system.
        source: io::Error,
    },
    /// Invalid TOML.
    #[error("profile {origin}: {message}: fix the file")]
    Syntax {
        /// Name or path of the profile.
        origin: String,
        /// Line and reason.
        message: String,
    },
    /// Unknown key.
    #[error("profile {origin}: unknown key `{key}`: {hint}")]
    UnknownKey {
        /// Name or path of the profile.
        origin: String,
        /// Full key.
        key: String,
        /// Nearest key and all known ones at its level.
        hint: String,
    },
    /// Invalid value of a key.
    #[error("profile {origin}: `{key}` {problem}")]
    Value {
        /// Name or path of the profile.
        origin: String,
        /// Full key.
        key: String,
        /// Reason, and the allowed values.
        problem: String,
    },
    /// File with the name of a built-in profile, which rows could not distinguish.
    #[error("profile {origin}: `name` is `{name}`, which is a built-in profile: give it another name")]
    Taken {
        /// Path of the file.
        origin: String,
        /// Name.
        name: String,
    },
    /// Invalid change after the colon.
    #[error("profile `{text}`: `{part}` {problem}")]
    Change {
        /// Full text.
        text: String,
        /// Invalid part.
        part: String,
        /// Reason, and the allowed values.
        problem: String,
    },
}
