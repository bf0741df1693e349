//! Atomic writes of the files of verbs; a failure names the path.

use std::io::Error;
use std::path::{Path, PathBuf};

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}{}", path.display(), handoff_model::io_fix(source))]
pub struct NotWritten {
    /// The file.
    pub path: PathBuf,
    /// Error of the system.
    pub source: Error,
}

/// Writes a file as a whole: it has its old content or its new, never a part.
///
/// # Errors
/// [`NotWritten`] with the path.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), NotWritten> {
    handoff_workflows::files::replace(path, bytes).map_err(|source| NotWritten { path: path.to_owned(), source })
}

/// Writes the report of a finished transfer where one is wanted, and fails with the transfer's error.
///
/// # Errors
/// A report that cannot be written, else the transfer's error.
pub fn finish(
    report: Option<PathBuf>,
    write: impl FnOnce(&Path) -> Result<(), Error>,
    error: Option<&str>,
) -> anyhow::Result<()> {
    if let Some(path) = report {
        write(&path).map_err(|source| NotWritten { path, source })?;
    }
    error.map_or(Ok(()), |error| Err(anyhow::anyhow!("{error}")))
}
