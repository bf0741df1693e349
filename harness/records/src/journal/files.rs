//! Bytes to disk: files replaced as a whole, and CSV files that only grow.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::{Builder, NamedTempFile};

use super::row::{Row, header, lines};
use super::table::Table;
use super::{JournalError, Result};

/// Name of a file while it is written: a crash may leave such a file, and no reader opens it.
pub(super) fn temporary(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Replaces a file of `dir` as a whole: after a crash it has its old content or its new, never a part.
pub(super) fn write_atomic(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (temp, path) = (temporary(name), dir.join(name));
    // One name for every attempt, so that a folder never holds more than one leftover of a crash.
    let _ = fs::remove_file(dir.join(&temp));
    let mut builder = Builder::new();
    let file = builder.prefix(&temp).rand_bytes(0).permissions(Permissions::from_mode(0o666)).tempfile_in(dir);
    let write = |mut file: NamedTempFile| {
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).and_then(|()| Ok(file.persist(&path)?))
    };
    file.and_then(write).map_err(JournalError::io("write", &path))?;
    sync_dir(dir)
}

/// Makes a rename or a new name in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(JournalError::io("sync", dir))
}

/// Replaces a JSON file as a whole.
pub(super) fn write_json<T: Serialize + ?Sized>(dir: &Path, name: &str, value: &T) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| JournalError::Misuse(format!("{name} cannot be written: {e}")))?;
    text.push('\n');
    write_atomic(dir, name, text.as_bytes())
}

/// A CSV file that rows are appended to.
#[derive(Debug)]
pub(super) struct CsvFile {
    path: PathBuf,
    file: File,
    /// Where the last kept row ends.
    kept: u64,
}

impl CsvFile {
    /// A new file with its header.
    ///
    /// # Errors
    /// [`JournalError::Io`] where the file cannot be written.
    pub fn fresh<T: Row>(dir: &Path) -> Result<Self> {
        write_atomic(dir, T::FILE, header::<T>()?.as_bytes())?;
        Self::at_end(dir.join(T::FILE))
    }

    /// The file that `table` was read from, rewritten first if what is to stay differs from what is there.
    ///
    /// # Errors
    /// [`JournalError::Io`] where the file cannot be written or opened.
    pub fn repaired<T: Row>(dir: &Path, table: &Table<T>) -> Result<Self> {
        if !table.whole {
            let mut text = header::<T>()?;
            text.push_str(&lines(&table.rows)?);
            write_atomic(dir, T::FILE, text.as_bytes())?;
        }
        Self::at_end(dir.join(T::FILE))
    }

    fn at_end(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new().append(true).open(&path).map_err(JournalError::io("open", &path))?;
        let kept = file.metadata().map_err(JournalError::io("read", &path))?.len();
        Ok(Self { path, file, kept })
    }

    /// Writes rows after the last one and syncs them. They stay once [`CsvFile::keep`] is called.
    ///
    /// # Errors
    /// [`JournalError::Io`] where the rows cannot be written or synced.
    pub fn append<T: Row>(&mut self, rows: &[T]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let text = lines(rows)?;
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(JournalError::io("append to", &self.path))
    }

    /// The rows that were appended stay.
    pub fn keep(&mut self) {
        if let Ok(metadata) = self.file.metadata() {
            self.kept = metadata.len();
        }
    }

    /// Takes back what was appended and not kept. The next `--resume` repairs what a failure here leaves.
    pub fn roll_back(&mut self) {
        let _ = self.file.set_len(self.kept);
    }
}
