//! Errors of runs on GitHub, and of their jobs.

use std::path::PathBuf;

use handoff_docker::EngineError;
use handoff_fixtures::FixtureError;
use handoff_machine::FileError;
use handoff_records::JournalError;

use crate::rest::RestError;

/// Reason why a run on GitHub cannot be started or collected, or why a job fails.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// Failed file operation.
    #[error(transparent)]
    File(#[from] FileError),
    /// Engine that does not work on this machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Unusable results folder.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Image sources that cannot be generated.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// Failure of GitHub's API.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// Invalid option, input or file of the user.
    #[error("{0}")]
    Input(String),
    /// Failure of a job.
    #[error("job: {0}; read the job's log")]
    Job(String),
}

/// Result with a [`GithubError`] by default.
pub type Result<T, E = GithubError> = std::result::Result<T, E>;

impl GithubError {
    /// Error of the user's input.
    pub(crate) fn input(error: impl std::fmt::Display) -> Self {
        Self::Input(error.to_string())
    }

    /// Failure of a job.
    pub(crate) fn job(error: impl std::fmt::Display) -> Self {
        Self::Job(error.to_string())
    }

    /// Whether the user can fix the error by another input, option or token.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Rest(error) => !matches!(error, RestError::Limited { .. } | RestError::Other { .. }),
            Self::Input(_) | Self::Fixture(_) => true,
            _ => false,
        }
    }

    /// Names the operation and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let named = FileError::on(what, path);
        move |source| named(source).into()
    }
}
