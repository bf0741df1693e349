//! Check of the folder that a run starts in.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{sync_dir, temporary};
use super::row::{Row, header, records};
use super::{ENVIRONMENTS, JournalError, LOGS, PLAN, Result};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// Topmost folder that [`prepare`] created, for [`undo`].
pub(super) struct CreatedDir(Option<PathBuf>);

/// Makes the folder, or checks that the one that is there may be used.
pub(super) fn prepare(dir: &Path) -> Result<CreatedDir> {
    match fs::symlink_metadata(dir).and_then(|_| fs::metadata(dir)) {
        Ok(metadata) if metadata.is_dir() => {
            refuse_used(dir)?;
            Ok(CreatedDir(None))
        }
        Ok(_) => Err(JournalError::NotAFolder(dir.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let top = dir.ancestors().take_while(|a| !a.as_os_str().is_empty() && !a.exists()).last();
            let created = CreatedDir(top.map(Path::to_owned));
            if let Err(source) = fs::create_dir_all(dir) {
                undo(dir, created);
                return Err(JournalError::Io { what: "make", path: dir.to_owned(), source });
            }
            if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync_dir(parent)?;
            }
            Ok(created)
        }
        Err(source) => Err(JournalError::Io { what: "read", path: dir.to_owned(), source }),
    }
}

/// Removes what a failed start has written: our own files, then the folders that were made, if they are empty.
pub(super) fn undo(dir: &Path, created: CreatedDir) {
    for name in written_names() {
        let _ = fs::remove_file(dir.join(&name));
    }
    let Some(top) = created.0 else { return };
    for folder in dir.ancestors() {
        if fs::remove_dir(folder).is_err() || folder == top {
            return;
        }
    }
}

/// The files that a start writes, and their temporary names.
fn written_names() -> impl Iterator<Item = String> {
    [ENVIRONMENTS, ConsumerRow::FILE, SpanRow::FILE, MeasurementRow::FILE, PLAN]
        .into_iter()
        .flat_map(|name| [name.to_owned(), temporary(name)])
}

fn refuse_used(dir: &Path) -> Result<()> {
    if dir.join(PLAN).exists() {
        return Err(holds_run(dir));
    }
    let entries = fs::read_dir(dir).map_err(JournalError::io("read", dir))?;
    for entry in entries {
        let entry = entry.map_err(JournalError::io("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !left_by_a_start(&entry.path(), &name)? {
            return Err(JournalError::Foreign { dir: dir.to_owned(), found: name });
        }
    }
    Ok(())
}

/// Whether a start that was cut off before its plan may have left this: our file without a single row.
fn left_by_a_start(path: &Path, name: &str) -> Result<bool> {
    if name == LOGS {
        return Ok(fs::read_dir(path).is_ok_and(|mut d| d.next().is_none()));
    }
    if !written_names().any(|n| n == name) {
        return Ok(false);
    }
    let only_header = match name {
        ConsumerRow::FILE => header::<ConsumerRow>()?,
        SpanRow::FILE => header::<SpanRow>()?,
        MeasurementRow::FILE => header::<MeasurementRow>()?,
        _ => return Ok(true),
    };
    let size = fs::metadata(path).map_err(JournalError::io("read", path))?.len();
    Ok(size <= only_header.len() as u64)
}

/// Says how far the run is that `dir` holds. Counts only: the folder may be in any state.
fn holds_run(dir: &Path) -> JournalError {
    let plan: Option<serde_json::Value> =
        fs::read(dir.join(PLAN)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let trials = plan.as_ref().and_then(|p| p.get("trials")?.as_array().map(Vec::len)).unwrap_or(0);
    let table = fs::read(dir.join(MeasurementRow::FILE)).unwrap_or_default();
    let rows = records(&table).count().saturating_sub(1);
    JournalError::HoldsRun { dir: dir.to_owned(), rows, trials }
}
