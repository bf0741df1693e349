//! The user's own daemon, as far as `--image` needs it: one image is looked up and saved. Nothing there is changed.
//!
//! The docker client is asked, with the user's environment, because it knows all the ways to a daemon: `DOCKER_HOST`,
//! contexts, ssh.

use std::fs;
use std::path::Path;

use handoff_engine::Programs;

use crate::DriverError;

fn docker(args: &[&str]) -> Result<String, String> {
    let programs = Programs::find().map_err(|e| e.to_string())?;
    let program = programs.program("docker").map_err(|e| e.to_string())?;
    let output = duct::cmd(program, args).stdin_null().stdout_capture().stderr_capture().unchecked().run();
    let output = output.map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; "))
}

/// The identifier of an image of the user's daemon.
pub fn identifier(name: &str) -> Result<String, String> {
    docker(&["image", "inspect", "--format", "{{.Id}}", name]).map_err(|e| {
        format!("--image {name}: {e}: `docker image ls` lists what there is; DOCKER_HOST names the daemon")
    })
}

/// Saves an image into a file, if it is still the one that the plan knows.
pub fn save(name: &str, id: &str, path: &Path) -> Result<(), DriverError> {
    let found = identifier(name).map_err(DriverError::Missing)?;
    if found != id {
        return Err(DriverError::Missing(format!(
            "--image {name} is {found} now and was {id} when the run was planned: use another --out to measure the new one"
        )));
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(DriverError::io("create", dir))?;
    }
    docker(&["image", "save", "--output", &path.display().to_string(), name])
        .map_err(|e| DriverError::Missing(format!("--image {name}: {e}")))?;
    Ok(())
}
