//! `--context` and its Dockerfile: found and checked before anything runs. They are only ever read.

use std::path::{Path, PathBuf};

use handoff_model::shell;

use crate::Error;
use crate::error::bail_input;

/// Refuses a path that is no text in one line, which plans and reports cannot hold.
///
/// # Errors
/// The option, the path and the character at fault.
pub fn check_text(option: &str, path: &Path) -> Result<(), Error> {
    let shown = path.to_string_lossy();
    let Some(text) = path.to_str() else {
        bail_input!(
            "{option} {}: its name is not UTF-8, which plans, reports and builders do not take: rename it, or use another path",
            shell::escaped(&shown)
        );
    };
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(bad) => Err(refused_path(option, text, bad, "reports and lists have one path a line")),
    }
}

/// Error about a character of a path that a list or a program splits.
pub fn refused_path(option: &str, path: &str, bad: char, why: &str) -> Error {
    let path = shell::quote(path);
    let bad = handoff_model::image_name::described(bad);
    Error::BadInput(format!(
        "{option} {path}: there is a {bad} in it, and {why}: use a path of letters, digits, `.`, `_`, `-` and `/`"
    ))
}

/// Returns the folder of `--context` without links.
///
/// # Errors
/// A path that is not a folder.
pub fn context_dir(dir: &Path) -> Result<PathBuf, Error> {
    check_text("--context", dir)?;
    let shown = shell::quote(&dir.to_string_lossy());
    let found = dir
        .canonicalize()
        .map_err(|e| Error::BadInput(format!("--context {shown}: {e}: name the folder that holds the Dockerfile")))?;
    if !found.is_dir() {
        bail_input!("--context {shown}: it is not a folder: name the folder that holds the Dockerfile");
    }
    check_text("--context", &found)?;
    Ok(found)
}

/// The Dockerfile that Docker takes where none is named.
pub fn default_dockerfile(context: &Path) -> PathBuf {
    let lower = context.join("dockerfile");
    let usual = context.join("Dockerfile");
    if !usual.exists() && lower.is_file() { lower } else { usual }
}

/// Returns a Dockerfile's path as absolute but unresolved, because jobs run elsewhere. `option` names it.
///
/// # Errors
/// A path that is not a readable file.
pub fn named_dockerfile(file: &Path, option: &str) -> Result<PathBuf, Error> {
    let named = std::path::absolute(file).map_err(|e| Error::BadInput(format!("{option} {}: {e}", file.display())))?;
    check_text(option, &named)?;
    check_dockerfile(&named, option)?;
    Ok(named)
}

/// Refuses a path that is no Dockerfile. `option` names one.
///
/// # Errors
/// What the path is instead.
pub fn check_dockerfile(file: &Path, option: &str) -> Result<(), Error> {
    let shown = shell::quote(&file.to_string_lossy());
    let name = format!("name the Dockerfile with {option} FILE");
    let problem = match file.metadata() {
        Ok(meta) if meta.is_file() => return Ok(()),
        Ok(meta) if meta.is_dir() => format!(
            "is a folder: name the Dockerfile in it with {option} FILE (the folder that is built from is --context)"
        ),
        Ok(_) => format!("is no plain file: {name}"),
        Err(_) if file.is_symlink() => format!("is a link to a file that is not there: {name}"),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => format!("is not there: {name}"),
        Err(e) => bail_input!("{shown}: {e}: name a Dockerfile that can be read with {option} FILE"),
    };
    bail_input!("{shown} {problem}")
}
