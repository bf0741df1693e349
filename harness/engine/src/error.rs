//! What can go wrong with an engine, each with its mend.

use std::path::PathBuf;

/// An engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A program is not there.
    #[error("{program} not found: run `make setup` (it unpacks an engine into a private folder), or install it")]
    MissingProgram {
        /// The program.
        program: String,
    },
    /// A program is too old.
    #[error("{program} is {found}, at least {floor} is needed: run `make setup`")]
    TooOld {
        /// The program.
        program: String,
        /// Its version.
        found: String,
        /// The oldest that serves.
        floor: String,
    },
    /// A program did not say its version.
    #[error("{program} does not run: {error}")]
    Unusable {
        /// The program.
        program: String,
        /// What it said.
        error: String,
    },
    /// Namespaces and mounts need root.
    #[error("engines need root: run it with sudo, or as root in a machine of your own")]
    NotRoot,
    /// A path is too long for a unix socket.
    #[error("{path} is too long for a unix socket ({len} of 107 bytes): choose a shorter --work-dir")]
    SocketPath {
        /// The socket.
        path: PathBuf,
        /// Its length.
        len: usize,
    },
    /// A daemon did not come up.
    #[error("{program} did not start: {reason} (log: {log})")]
    DidNotStart {
        /// The daemon.
        program: String,
        /// Its last line, or that it was silent.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// A file operation failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The image of a `docker-container` builder cannot be made or used.
    #[error("BuildKit image: {0}")]
    BuildkitImage(String),
    /// The engine answered with an error.
    #[error("engine: {0}")]
    Api(String),
}

impl EngineError {
    /// Names the operation and the path of an I/O error.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Api(error.to_string())
    }
}
