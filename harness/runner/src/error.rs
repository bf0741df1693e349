//! What stops a run. What breaks a trial is no error but a row.

use std::path::PathBuf;

use handoff_docker::EngineError;
use handoff_machine::MachineError;
use handoff_records::JournalError;

/// A run cannot start or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another run holds the machine, by this lock file.
    #[error(
        "another run of handoff measures on this machine (lock: {0}): wait for its end, because two runs at once disturb each other"
    )]
    Busy(PathBuf),
    /// A program that trials need is missing or too old.
    #[error("{0}")]
    Missing(String),
    /// The engine does not work here, or a file operation failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The machine does not tell what it is.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The service cannot be used.
    #[error("service: {0}")]
    Service(String),
    /// The fixture cannot be made.
    #[error(transparent)]
    Fixture(#[from] handoff_fixtures::FixtureError),
    /// A job process did not do what a job does.
    #[error("job: {0}; read the logs folder, then go on with --resume")]
    Job(String),
    /// Somebody asked for the end.
    #[error("cancelled: finished trials are kept; run `handoff run --resume` to go on")]
    Cancelled,
}

impl RunError {
    /// Names the operation and the path of an I/O error.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let named = EngineError::io(what, path);
        move |source| named(source).into()
    }
}
