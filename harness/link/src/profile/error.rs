//! What can be wrong with a profile.

use std::io;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No profile has that name.
    #[error("unknown profile `{name}`: {hint}, or the path of a TOML file")]
    Unknown {
        /// As given.
        name: String,
        /// The nearest name and all that are known.
        hint: String,
    },
    /// The file cannot be read.
    #[error("cannot read the profile {path}: {source}; give a name or the path of a TOML file")]
    Read {
        /// As given.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The text is no TOML.
    #[error("profile {origin}: {message}: fix the file")]
    Syntax {
        /// Name or path of the profile.
        origin: String,
        /// Line and fault.
        message: String,
    },
    /// A key that no profile has.
    #[error("profile {origin}: unknown key `{key}`: {hint}")]
    UnknownKey {
        /// Name or path of the profile.
        origin: String,
        /// The whole key.
        key: String,
        /// The nearest key and all that are known there.
        hint: String,
    },
    /// A value that is not what its key holds.
    #[error("profile {origin}: `{key}` {problem}")]
    Value {
        /// Name or path of the profile.
        origin: String,
        /// The whole key.
        key: String,
        /// What is wrong, and what it may be.
        problem: String,
    },
    /// A file calls itself as a profile of the project does: rows could not tell the two apart.
    #[error("profile {origin}: `name` is `{name}`, a profile of the project: give it another name")]
    Taken {
        /// Path of the file.
        origin: String,
        /// The name.
        name: String,
    },
    /// What stands behind the colon is no change of a figure.
    #[error("profile `{text}`: `{part}` {problem}")]
    Change {
        /// The whole text.
        text: String,
        /// The part at fault.
        part: String,
        /// What is wrong, and what it may be.
        problem: String,
    },
}
