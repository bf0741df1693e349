//! Failed file operation, as all crates of the harness report it.

use std::path::PathBuf;

/// Failed operation on a file: what was tried, the path, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {source}{}", handoff_model::io_fix(source))]
pub struct FileError {
    /// Operation, as a verb.
    pub what: &'static str,
    /// File, folder or program.
    pub path: PathBuf,
    /// Reason of the system.
    pub source: std::io::Error,
}

impl FileError {
    /// Names the operation and the path of an I/O error, for `map_err`.
    pub fn on(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self { what, path, source }
    }
}
