//! What the machine does not tell.

use std::path::PathBuf;

/// A file of the kernel's, or a file system, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
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
    /// The kernel's table lacks a line.
    #[error("{0}")]
    Missing(String),
}

impl MachineError {
    /// Names the operation and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
