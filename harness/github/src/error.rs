//! Errors of runs on GitHub: from outside, and inside a job.

use std::path::PathBuf;

use handoff_docker::EngineError;
use handoff_fixtures::FixtureError;
use handoff_machine::MachineError;
use handoff_records::JournalError;

use crate::rest::RestError;

/// A run on GitHub cannot be started or collected, or a job of it cannot start or end.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}{}", handoff_model::io_fix(source))]
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
    /// GitHub's API does not answer as it should.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// An option, an input or a file that the user gave makes no sense.
    #[error("{0}")]
    Input(String),
    /// A job did not do what a job does.
    #[error("job: {0}; read the job's log")]
    Job(String),
}

/// What fails with a [`GithubError`], unless it names another error.
pub type Result<T, E = GithubError> = std::result::Result<T, E>;

impl GithubError {
    /// Wraps what is wrong with something that the user gave.
    pub(crate) fn input(error: impl std::fmt::Display) -> Self {
        Self::Input(error.to_string())
    }

    /// Wraps what a job did wrong.
    pub(crate) fn job(error: impl std::fmt::Display) -> Self {
        Self::Job(error.to_string())
    }

    /// Whether the user can fix it: an input, or an answer of GitHub that another option or token changes.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Rest(error) => !matches!(error, RestError::Limited { .. } | RestError::Other { .. }),
            Self::Input(_) | Self::Fixture(_) => true,
            _ => false,
        }
    }

    /// Names the operation and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
