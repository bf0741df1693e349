//! Generated files in a checkout: their texts, their update, and the check for drift.

use std::fs;
use std::path::Path;

use crate::pins::Pins;
pub use crate::replace::replace;
use crate::{Named, WorkflowError, action, calibrate, cell, examples, run};

/// All generated files: path from the workspace's root, and text.
///
/// # Errors
/// An action has no pin.
pub fn all(pins: &Pins, strategies: &[Named]) -> Result<Vec<(String, String)>, WorkflowError> {
    let at = |name: &str| format!(".github/workflows/{name}");
    let mut files = vec![
        (at(run::FILE), run::text(pins)?),
        (at(cell::FILE), cell::text(pins, strategies)?),
        (at(calibrate::FILE), calibrate::text(pins)?),
        (action::FILE.to_owned(), action::text(pins)?),
    ];
    files.extend(examples::all(pins)?);
    Ok(files)
}

/// Writes the files below `root`. Returns the paths of those that changed.
///
/// # Errors
/// A file cannot be written.
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

/// Checks that the files below `root` are up to date.
///
/// # Errors
/// A file differs from the generated text.
pub fn check(root: &Path, files: &[(String, String)]) -> Result<(), WorkflowError> {
    let differs = |(name, text): &&(String, String)| !fs::read_to_string(root.join(name)).is_ok_and(|old| old == *text);
    let drifted: Vec<String> = files.iter().filter(differs).map(|(name, _)| name.clone()).collect();
    if drifted.is_empty() { Ok(()) } else { Err(WorkflowError::Drift(drifted)) }
}
