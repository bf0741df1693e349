//! Private engine for a job of a rehearsal, whose jobs share one machine. `HANDOFF_PRIVATE_ENGINE` enables it.
//!
//! On a hosted runner, whose engine is new, a job uses the machine's engine.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use handoff_docker::programs::on_path;
use handoff_docker::{Engine, EngineConfig, Programs, namespace, runtime};
use handoff_model::{EngineKind, ImageStore};
use serde::{Deserialize, Serialize};

use super::JOB_DIR;
use crate::inputs::input;
use crate::{GithubError, Result, timeouts};

/// Variable with the folder of the engines. They end when its file [`ALIVE`] disappears.
const ROOT_VARIABLE: &str = "HANDOFF_PRIVATE_ENGINE";
const ALIVE: &str = "alive";

/// Folder and environment of a private engine.
#[derive(Debug, Serialize, Deserialize)]
struct PrivateEngine {
    root: PathBuf,
    env: std::collections::BTreeMap<String, String>,
}

fn note(dir: &Path) -> PathBuf {
    dir.join(JOB_DIR).join("engine.json")
}

/// Starts an engine that runs until [`stop`], if one is enabled, and sets its variables for later steps of this job.
pub(super) fn start_if_enabled(dir: &Path) -> Result<()> {
    let Some(parent) = std::env::var_os(ROOT_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let root = parent.join(format!("j{}", std::process::id()));
    fs::create_dir_all(&root).map_err(GithubError::io("create", &root))?;
    let handoff = std::env::current_exe().map_err(GithubError::io("find", "the running program"))?;
    let args: Vec<OsString> = ["github", "engine"].iter().map(Into::into).chain([root.clone().into()]).collect();
    let (program, args) = namespace::command(&handoff, &args);
    let log = root.join("holder.log");
    let log = fs::File::create(&log).map_err(GithubError::io("create", &log))?;
    let mut command = Command::new(&program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
    let mut child = command.spawn().map_err(GithubError::io("start", &program))?;
    let ready = root.join("ready.json");
    let deadline = Instant::now() + timeouts::ENGINE_START;
    while !ready.exists() {
        if Instant::now() > deadline || !matches!(child.try_wait(), Ok(None)) {
            let log = fs::read_to_string(root.join("holder.log")).unwrap_or_default();
            return Err(GithubError::Job(format!("the job's engine did not start: {}", log.trim())));
        }
        thread::sleep(timeouts::ENGINE_POLL);
    }
    let bytes = fs::read(&ready).map_err(GithubError::io("read", &ready))?;
    let engine: PrivateEngine = serde_json::from_slice(&bytes).map_err(GithubError::job)?;
    let is_of_engine = |name: &str| ["DOCKER_", "BUILDX_", "LD_"].iter().any(|start| name.starts_with(start));
    let variables = engine.env.iter().filter(|(name, _)| is_of_engine(name));
    let lines: String = variables.fold(String::new(), |lines, (name, value)| lines + &format!("{name}={value}\n"));
    append("GITHUB_ENV", &lines)?;
    let paths = engine.env.get("PATH").cloned().unwrap_or_default();
    if on_path(&std::env::var("PATH").unwrap_or_default(), "docker").is_none()
        && let Some(docker) = on_path(&paths, "docker").and_then(|p| p.parent().map(Path::to_owned))
    {
        append("GITHUB_PATH", &format!("{}\n", docker.display()))?;
    }
    let path = note(dir);
    fs::write(&path, bytes).map_err(GithubError::io("write", &path))
}

/// Appends to the runner's file that a variable names, if the variable is set.
pub(crate) fn append(variable: &str, text: &str) -> Result<()> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(()) };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(GithubError::io("write", &path))
}

/// Private engine of the job, if it has one.
///
/// # Errors
/// The note cannot be read: without it, commands would use the machine's engine.
fn private_engine(dir: &Path) -> Result<Option<PrivateEngine>> {
    let path = note(dir);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(GithubError::io("read", &path))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| GithubError::Job(format!("{}: {e}", path.display())))
}

/// Variables of the private engine for child processes; empty if the job has none.
pub(super) fn environment(dir: &Path) -> Result<std::collections::BTreeMap<String, String>> {
    Ok(private_engine(dir)?.map(|engine| engine.env).unwrap_or_default())
}

/// Ends the private engine and removes its files, if the job has one.
pub(super) fn stop(dir: &Path) -> Result<()> {
    let Some(PrivateEngine { root, .. }) = private_engine(dir)? else { return Ok(()) };
    let stop = root.join("stop");
    fs::write(&stop, "").map_err(GithubError::io("write", &stop))?;
    let deadline = Instant::now() + timeouts::ENGINE_STOP;
    while root.join("ready.json").exists() && Instant::now() < deadline {
        thread::sleep(timeouts::ENGINE_POLL);
    }
    // The rehearsal removes the parent folder with all leftovers.
    let _ = fs::remove_dir_all(&root);
    Ok(())
}

/// Starts the engine in this process's namespaces and keeps it running until [`stop`], or until the rehearsal ends.
///
/// # Errors
/// The engine does not start, or a file cannot be written.
pub fn hold(root: &Path) -> Result<()> {
    let store = input("image_store").map_or(Ok(ImageStore::Containerd), |text| text.parse());
    let store = store.map_err(GithubError::input)?;
    namespace::mount_private_run(root)?;
    let runtime = runtime()?;
    let programs = Programs::find()?;
    let job = root.file_name().map(|n| n.to_string_lossy().into_owned());
    let job = job.ok_or_else(|| GithubError::Job(format!("{} names no folder of an engine", root.display())))?;
    let config =
        EngineConfig { root: root.join("e"), job: job.clone(), store, kind: EngineKind::Private, host_daemon: None };
    let mut engine = Engine::start(&programs, &config, &runtime)?;
    let private = PrivateEngine { root: root.to_owned(), env: engine.env().clone() };
    let json = serde_json::to_vec(&private).map_err(GithubError::job)?;
    let ready = root.join("ready.json");
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(root)?;
        file.write_all(&json)?;
        file.persist(&ready).map(drop).map_err(|e| e.error)
    };
    write().map_err(GithubError::io("write", &ready))?;
    let alive = || root.parent().is_some_and(|parent| parent.join(ALIVE).exists());
    while !root.join("stop").exists() && alive() {
        thread::sleep(timeouts::ENGINE_POLL);
    }
    engine.stop();
    handoff_docker::leftovers::remove_cgroups(&job);
    // The missing file reports the end of the engine to the job.
    let _ = fs::remove_file(&ready);
    Ok(())
}
