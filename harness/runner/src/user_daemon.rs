//! The user's own daemon, as far as `--image` needs it: one image is looked up and saved. Nothing there is changed.
//!
//! The docker client is asked, with the user's environment, because it knows all the ways to a daemon: `DOCKER_HOST`,
//! contexts, ssh.

use std::fs;
use std::path::Path;

use handoff_docker::Programs;
use handoff_model::ImageStore;

use crate::RunError;

/// An image of the user's daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its identifier.
    pub id: String,
    /// Its size as the daemon counts it, in bytes: of the layers as it keeps them.
    pub bytes: u64,
    /// Where the daemon keeps images, where it is one of the two stores that are measured.
    pub store: Option<ImageStore>,
}

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

/// Why the docker client has not answered for an image, with what to do about it: `name` is quoted for a shell.
///
/// The client's words for a daemon that is not there and for an image that is not there differ by version and transport.
pub fn explained(name: &str, words: &str) -> String {
    let lower = words.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if says(&["cannot connect", "failed to connect", "dial unix", "dial tcp", "daemon running"]) {
        return format!(
            "no Docker daemon answers, so {name} cannot be found: {words}; start the daemon, or set DOCKER_HOST"
        );
    }
    if says(&["no such image", "no such object", "not found"]) {
        return format!(
            "the daemon has no image {name}: use one that `docker image ls` lists, or set DOCKER_HOST to its daemon"
        );
    }
    format!("{name}: {words}: check that `docker image inspect {name}` answers, or set DOCKER_HOST to its daemon")
}

fn inspect(name: &str, format: &str) -> Result<String, String> {
    docker(&["image", "inspect", "--format", format, "--", name])
        .map_err(|words| format!("--image {name}: {}", explained(name, &words)))
}

/// Looks an image of the user's daemon up.
pub fn find(name: &str) -> Result<Found, String> {
    let text = inspect(name, "{{.Id}} {{.Size}}")?;
    let (id, bytes) = text.split_once(' ').unwrap_or((&text, ""));
    let bytes =
        bytes.trim().parse().map_err(|e| format!("--image {name}: the daemon names its size as `{bytes}`: {e}"))?;
    let info = docker(&["info", "--format", "{{.Driver}} {{.DriverStatus}}"])
        .map_err(|words| format!("--image {name}: docker info: {words}"))?;
    Ok(Found { id: id.to_owned(), bytes, store: store(&info) })
}

fn store(info: &str) -> Option<ImageStore> {
    if info.contains("io.containerd.snapshotter") {
        return Some(ImageStore::Containerd);
    }
    (info.split(' ').next() == Some("overlay2")).then_some(ImageStore::Overlay2)
}

/// Saves an image into a file, if it is still the one that the plan knows.
pub fn save(name: &str, id: &str, path: &Path) -> Result<(), RunError> {
    let found = inspect(name, "{{.Id}}").map_err(RunError::Missing)?;
    if found != id {
        return Err(RunError::Missing(format!(
            "--image {name} is {found} now and was {id} when the run was planned: use another --out to measure the new one"
        )));
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(RunError::io("create", dir))?;
    }
    docker(&["image", "save", "--output", &path.display().to_string(), name])
        .map_err(|e| RunError::Missing(format!("--image {name}: {e}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemon_that_is_not_there_is_no_image_that_is_not_there() {
        let daemon = "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the \
                      daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory";
        let old = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
        for words in [daemon, old] {
            let error = explained("app:1", words);
            assert!(error.contains("no Docker daemon answers") && error.contains("start the daemon"), "{error}");
        }
        for words in ["Error: No such image: app:1", "Error response from daemon: No such image: app:1"] {
            let error = explained("app:1", words);
            assert!(error.contains("has no image app:1") && error.contains("docker image ls"), "{error}");
        }
    }

    #[test]
    fn store_of_the_daemon_is_read_from_what_it_says() {
        assert_eq!(store("overlayfs [[driver-type io.containerd.snapshotter.v1]]"), Some(ImageStore::Containerd));
        assert_eq!(store("overlay2 [[Backing Filesystem extfs]]"), Some(ImageStore::Overlay2));
        assert_eq!(store("btrfs []"), None);
    }
}
