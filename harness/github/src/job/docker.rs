//! Commands against the job's engine: its versions, the identity of an image, and the records of its builder.

use std::collections::BTreeMap;
use std::path::Path;

use handoff_docker::builder::buildkit_version;
use handoff_docker::command::{self, capture};
use handoff_docker::identity::{inspected_layers, of_tar};
use handoff_docker::user::store_in_info;
use handoff_model::environment::UNKNOWN;
use handoff_model::{Failure, ImageIdentity, ImageStore};
use serde_json::Value;

use crate::Result;

/// Command with the variables of the job's private engine, if it has one.
fn with_engine(program: &str, args: &[&str]) -> Result<duct::Expression> {
    let env = super::engine::environment(Path::new("."))?;
    Ok(env.into_iter().fold(duct::cmd(program, args), |command, (name, value)| command.env(name, value)))
}

/// Standard output of a docker command.
pub(super) fn docker(args: &[&str]) -> Result<String> {
    let what: Vec<&str> = std::iter::once("docker").chain(args.iter().copied().take(2)).collect();
    Ok(capture(&with_engine("docker", args)?, &what.join(" "))?)
}

/// Version of each program, and properties of the engine.
pub(super) fn versions() -> BTreeMap<String, String> {
    let commands: [(&str, &[&str]); 7] = [
        ("docker", &["docker", "version", "--format", "{{.Client.Version}}"]),
        ("engine", &["docker", "version", "--format", "{{.Server.Version}}"]),
        ("storage driver", &["docker", "info", "--format", "{{.Driver}}"]),
        ("storage driver status", &["docker", "info", "--format", "{{json .DriverStatus}}"]),
        ("buildx", &["docker", "buildx", "version"]),
        ("node", &["node", "--version"]),
        ("zstd", &["zstd", "--version"]),
    ];
    let version = |command: &[&str]| {
        let text = capture(&with_engine(command[0], &command[1..]).ok()?, command[0]).ok()?;
        text.lines().next().map(|line| line.trim().to_owned())
    };
    // A strategy may not need a program: a missing one fails the step that does.
    let known = |command: &[&str]| version(command).unwrap_or_else(|| UNKNOWN.to_owned());
    commands.into_iter().map(|(name, command)| (name.to_owned(), known(command))).collect()
}

/// Version of the builder's `BuildKit`.
pub(super) fn buildkit() -> String {
    buildkit_version(&docker(&["buildx", "inspect"]).unwrap_or_default())
}

/// Image store of the engine: `containerd`, or the name of its storage driver.
pub(super) fn image_store() -> Result<String> {
    let info = docker(&["info", "--format", "{{.Driver}} {{json .DriverStatus}}"])?;
    Ok(store_in_info(&info).map_or_else(|driver| driver, |store: ImageStore| store.as_str().to_owned()))
}

/// Identity of an image in the engine. The containerd store reports the config's digest only by an export.
pub(super) fn identity(image: &str, scratch: &Path) -> Result<ImageIdentity, Failure> {
    let failure = |e: &dyn std::fmt::Display| Failure::new("identity", e);
    let text = docker(&["image", "inspect", image]).map_err(|e| failure(&e))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| failure(&e))?;
    let field = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let layers = inspected_layers(&json);
    let Some(index) = field("/0/Descriptor/digest") else {
        let notes = vec!["the overlay2 store keeps no index".to_owned()];
        return Ok(ImageIdentity { config: field("/0/Id"), layers, notes, ..ImageIdentity::default() });
    };
    let tar = scratch.join("identity.tar");
    let path = tar.display().to_string();
    docker(&["save", "--output", &path, image]).map_err(|e| failure(&e))?;
    let saved = of_tar(&tar).map_err(|e| failure(&e));
    // The job's machine disappears with the file at the latest.
    let _ = std::fs::remove_file(&tar);
    Ok(ImageIdentity { index: Some(index), config: saved?.config, layers, ..ImageIdentity::default() })
}

/// Records of all builds that the builder keeps, as raw JSON lines.
pub(super) fn build_records() -> Result<Vec<String>, String> {
    let list = docker(&["buildx", "history", "ls", "--format", "{{.Ref}}"]).map_err(|e| e.to_string())?;
    let mut logs: Vec<String> = Vec::new();
    for reference in list.lines().map(str::trim).filter(|r| !r.is_empty()) {
        let id = reference.rsplit('/').next().unwrap_or(reference);
        let logs_of = with_engine("docker", &["buildx", "history", "logs", "--progress", "rawjson", id]);
        // Older versions of buildx print the lines on standard output, newer ones on standard error.
        let out = command::run(&logs_of.map_err(|e| e.to_string())?.stderr_to_stdout());
        logs.push(out.map_err(|e| format!("docker buildx history logs: {e}"))?.stdout);
    }
    Ok(logs)
}
