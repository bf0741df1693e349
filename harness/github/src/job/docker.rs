//! The job's engine, asked through the docker client: what it is, what it knows of an image, what its builder recorded.

use std::collections::BTreeMap;
use std::path::Path;

use handoff_docker::identity::{inspected_layers, of_tar};
use handoff_model::environment::UNKNOWN;
use handoff_model::{Failure, ImageIdentity, ImageStore};
use serde_json::Value;

use crate::{GithubError, Result};

/// A command that talks to the job's own engine, where it has one.
fn with_engine(command: duct::Expression) -> Result<duct::Expression, String> {
    let env = super::engine::environment(Path::new(".")).map_err(|e| e.to_string())?;
    Ok(env.into_iter().fold(command, |c, (name, value)| c.env(name, value)))
}

/// Runs a program and returns its output, or its last words.
pub(super) fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let out = with_engine(duct::cmd(program, args))?.stdin_null().stdout_capture().stderr_capture().unchecked().run();
    let out = out.map_err(|e| format!("{program}: {e}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned());
    }
    let words = String::from_utf8_lossy(&out.stderr);
    let last = words.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("it said nothing").to_owned();
    Err(format!("{program} {} ended with {}: {last}", args.first().unwrap_or(&""), out.status))
}

/// Program to version, as far as programs tell.
pub(super) fn versions() -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let mut keep = |name: &str, value: Result<String, String>| {
        // A strategy may do without the program: one that is not there breaks the step that wants it.
        let first = value.ok().and_then(|v| v.lines().next().map(|l| l.trim().to_owned()));
        versions.insert(name.to_owned(), first.unwrap_or_else(|| UNKNOWN.to_owned()));
    };
    keep("docker", run("docker", &["version", "--format", "{{.Client.Version}}"]));
    keep("engine", run("docker", &["version", "--format", "{{.Server.Version}}"]));
    keep("storage driver", run("docker", &["info", "--format", "{{.Driver}}"]));
    keep("storage driver status", run("docker", &["info", "--format", "{{json .DriverStatus}}"]));
    keep("buildx", run("docker", &["buildx", "version"]));
    keep("node", run("node", &["--version"]));
    keep("zstd", run("zstd", &["--version"]));
    versions
}

/// The version of the builder's `BuildKit`.
pub(super) fn buildkit() -> String {
    // A job whose builder is gone has failed before; then its version is of no use either.
    let text = run("docker", &["buildx", "inspect"]).unwrap_or_default();
    text.lines().find_map(|l| l.trim().strip_prefix("BuildKit version:")).map_or(UNKNOWN, str::trim).to_owned()
}

/// Where the engine keeps images: `containerd`, or the name of its storage driver.
pub(super) fn image_store() -> Result<String> {
    let text = run("docker", &["info", "--format", "{{.Driver}} {{json .DriverStatus}}"]).map_err(GithubError::Job)?;
    Ok(store_of(&text))
}

fn store_of(info: &str) -> String {
    let (driver, status) = info.split_once(' ').unwrap_or((info, ""));
    if status.contains("containerd.snapshotter") { ImageStore::Containerd.as_str() } else { driver }.to_owned()
}

/// What the engine knows of an image. The config's digest is in no answer of the containerd store: an export tells it.
pub(super) fn identity(image: &str, scratch: &Path) -> Result<ImageIdentity, Failure> {
    let failure = |e: &dyn std::fmt::Display| Failure::new("identity", e);
    let text = run("docker", &["image", "inspect", image]).map_err(|e| failure(&e))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| failure(&e))?;
    let word = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let layers = inspected_layers(&json);
    let Some(index) = word("/0/Descriptor/digest") else {
        let notes = vec!["the overlay2 store keeps no index".to_owned()];
        return Ok(ImageIdentity { config: word("/0/Id"), layers, notes, ..ImageIdentity::default() });
    };
    let tar = scratch.join("identity.tar");
    let path = tar.display().to_string();
    run("docker", &["save", "--output", &path, image]).map_err(|e| failure(&e))?;
    let saved = of_tar(&tar).map_err(|e| failure(&e));
    // It goes with the job's machine at the latest.
    let _ = std::fs::remove_file(&tar);
    Ok(ImageIdentity { index: Some(index), config: saved?.config, layers, ..ImageIdentity::default() })
}

/// The records of all builds that the builder still has, as raw JSON lines.
pub(super) fn build_records() -> Result<Vec<String>, String> {
    let list = run("docker", &["buildx", "history", "ls", "--format", "{{.Ref}}"])?;
    let mut logs: Vec<String> = Vec::new();
    for reference in list.lines().map(str::trim).filter(|r| !r.is_empty()) {
        // BuildKit's lines come on stderr or stdout, as the version has it.
        let id = reference.rsplit('/').next().unwrap_or(reference);
        let logs_of = with_engine(duct::cmd!("docker", "buildx", "history", "logs", "--progress", "rawjson", id))?;
        let out = logs_of.stdin_null().stderr_to_stdout().stdout_capture().unchecked().run();
        logs.push(out.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).map_err(|e| e.to_string())?);
    }
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_is_what_the_engine_says_and_no_other() {
        assert_eq!(store_of(r#"overlayfs [["driver-type","io.containerd.snapshotter.v1"]]"#), "containerd");
        assert_eq!(store_of(r#"overlay2 [["Backing Filesystem","extfs"]]"#), "overlay2");
        assert_eq!(store_of("btrfs null"), "btrfs");
    }
}
