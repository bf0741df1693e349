//! What stops a job on GitHub, or the collecting of one.

use std::path::PathBuf;

use handoff_docker::EngineError;
use handoff_fixtures::FixtureError;
use handoff_machine::MachineError;
use handoff_records::JournalError;

/// A job on GitHub cannot start or end, or its files do not make rows.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
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
    /// The machine does not tell what it is.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The engine does not work here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The results folder cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The image's sources cannot be made.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// A job did not do what a job does.
    #[error("job: {0}")]
    Job(String),
}

impl GithubError {
    /// Names the operation and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
