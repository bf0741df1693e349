//! Look-up and export of an image from the user's daemon, for `--image`. The daemon is not changed.
//!
//! The docker client runs with the user's environment, because it knows every route to a daemon: `DOCKER_HOST`, contexts and
//! ssh.

use std::fs;
use std::path::Path;

use handoff_docker::user::store_in_info;
use handoff_docker::{Programs, command};
use handoff_model::ImageStore;
use handoff_model::docker_error::explained;

use crate::RunError;

/// Image in the user's daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Identifier.
    pub id: String,
    /// Size in bytes, as the daemon reports it: the total of the layers in its store.
    pub bytes: u64,
    /// Image store of the daemon, if it is one of the two measured stores.
    pub store: Option<ImageStore>,
}

fn docker(args: &[&str]) -> Result<String, String> {
    let program = Programs::find().and_then(|programs| programs.program("docker")).map_err(|e| e.to_string())?;
    let output = command::run(&duct::cmd(program, args)).map_err(|e| e.to_string())?;
    if output.success { Ok(output.stdout) } else { Err(output.last_words()) }
}

fn inspect(name: &str, format: &str) -> Result<String, String> {
    docker(&["image", "inspect", "--format", format, "--", name])
        .map_err(|error| format!("--image {name}: {}", explained(name, &error)))
}

/// Looks up an image of the user's daemon.
///
/// # Errors
/// No daemon answers, or it has no such image.
pub fn find(name: &str) -> Result<Found, String> {
    let text = inspect(name, "{{.Id}} {{.Size}}")?;
    let (id, bytes) = text.split_once(' ').unwrap_or((&text, ""));
    let bytes =
        bytes.trim().parse().map_err(|e| format!("--image {name}: the daemon reports the size `{bytes}`: {e}"))?;
    let info = docker(&["info", "--format", "{{.Driver}} {{.DriverStatus}}"])
        .map_err(|error| format!("--image {name}: docker info: {error}"))?;
    Ok(Found { id: id.to_owned(), bytes, store: store_in_info(&info).ok() })
}

/// Saves an image into a file.
///
/// # Errors
/// The name now refers to another image than in the plan, or `docker image save` fails.
pub fn save(name: &str, id: &str, path: &Path) -> Result<(), RunError> {
    let found = inspect(name, "{{.Id}}").map_err(RunError::Missing)?;
    if found != id {
        return Err(RunError::Missing(format!(
            "--image {name} is {found}, but the plan has {id}: use another --out to measure the new image"
        )));
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(RunError::io("create", dir))?;
    }
    docker(&["image", "save", "--output", &path.display().to_string(), name])
        .map_err(|e| RunError::Missing(format!("--image {name}: {e}")))?;
    Ok(())
}
