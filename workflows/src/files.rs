//! The files in a checkout: writing them, and finding drift.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::pins::Pins;
use crate::{Named, WorkflowError, action, calibrate, cell, run};

/// Every file that the model writes: its path from the workspace's root, and its text.
pub fn all(pins: &Pins, strategies: &[Named]) -> Result<Vec<(String, String)>, WorkflowError> {
    let at = |name: &str| format!(".github/workflows/{name}");
    Ok(vec![
        (at(run::FILE), run::text(pins)?),
        (at(cell::FILE), cell::text(pins, strategies)?),
        (at(calibrate::FILE), calibrate::text(pins)?),
        (action::FILE.to_owned(), action::text(pins)?),
    ])
}

/// Writes the files below `root`, and names those that changed.
pub fn sync(root: &Path, files: &[(String, String)]) -> Result<Vec<String>, WorkflowError> {
    let mut changed = Vec::new();
    for (name, text) in files {
        let path = root.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        let dir = path.parent().unwrap_or(root);
        fs::create_dir_all(dir)
            .and_then(|()| replace(&path, text.as_bytes()))
            .map_err(|source| WorkflowError::Write { path, source })?;
        changed.push(name.clone());
    }
    Ok(changed)
}

/// Writes a file as a whole: it has its old content or its new, never a part, however full the disk is. What is no regular
/// file (`/dev/stdout`) is written to, never replaced.
///
/// # Errors
/// What the system says of the write; nothing of it is left then.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A link stays a link: the file that it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&path).ok();
    let Some(name) = path.file_name().filter(|_| old.as_ref().is_none_or(fs::Metadata::is_file)) else {
        return fs::write(&path, bytes);
    };
    let part = path.with_file_name(format!(".{}.part", name.to_string_lossy()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        old.map_or(Ok(()), |old| file.set_permissions(old.permissions()))?;
        file.sync_all()?;
        fs::rename(&part, &path)
    });
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}

/// Refuses files below `root` that are not what the model writes.
pub fn check(root: &Path, files: &[(String, String)]) -> Result<(), WorkflowError> {
    let differs = |(name, text): &&(String, String)| !fs::read_to_string(root.join(name)).is_ok_and(|old| old == *text);
    let drifted: Vec<String> = files.iter().filter(differs).map(|(name, _)| name.clone()).collect();
    if drifted.is_empty() { Ok(()) } else { Err(WorkflowError::Drift(drifted)) }
}
