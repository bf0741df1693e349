//! Errors that end a run. A failed trial is a row, not an error.

use std::path::PathBuf;

use handoff_docker::EngineError;
use handoff_machine::FileError;
use handoff_records::JournalError;

/// Reason why a run cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Lock file of another run on this machine.
    #[error(
        "another run of handoff measures on this machine (lock: {0}): wait for its end, because two runs at once disturb each other"
    )]
    Busy(PathBuf),
    /// Program or image that is missing or too old.
    #[error("{0}")]
    Missing(String),
    /// Engine that does not work on this machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Failed file operation.
    #[error(transparent)]
    File(#[from] FileError),
    /// Unusable journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Failure of the service's process.
    #[error("service: {0}")]
    Service(String),
    /// Image that cannot be generated.
    #[error(transparent)]
    Fixture(#[from] handoff_fixtures::FixtureError),
    /// Failure of a job's process.
    #[error("job: {0}; read the logs folder, then go on with --resume")]
    Job(String),
    /// Run that the user ended.
    #[error("cancelled: finished trials are kept; run `handoff run --resume` to go on")]
    Cancelled,
}

impl RunError {
    /// Failure of a request to the service.
    pub(crate) fn service(error: impl std::fmt::Display) -> Self {
        Self::Service(error.to_string())
    }

    /// Names the operation and the path of an I/O error.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let named = FileError::on(what, path);
        move |source| named(source).into()
    }
}
