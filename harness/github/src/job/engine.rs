//! A private engine for a job on a machine that is shared (a rehearsal on one's own): `HANDOFF_PRIVATE_ENGINE` asks for it.
//!
//! On a hosted runner the machine's own engine is as fresh as the machine, and none of this happens.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use handoff_docker::programs::on_path;
use handoff_docker::{Engine, EngineConfig, Programs, namespace};
use handoff_model::{EngineKind, ImageStore};
use serde::{Deserialize, Serialize};

use super::JOB_DIR;
use crate::inputs::input;
use crate::{GithubError, Result};

/// Where engines of jobs live. They end when the file [`ALIVE`] in it is gone.
const ROOT: &str = "HANDOFF_PRIVATE_ENGINE";
const ALIVE: &str = "alive";
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    root: PathBuf,
    env: std::collections::BTreeMap<String, String>,
}

fn note(dir: &Path) -> PathBuf {
    dir.join(JOB_DIR).join("engine.json")
}

/// Starts an engine that lives until [`stop`], and tells this job's later steps where it is.
pub(super) fn start_if_asked(dir: &Path) -> Result<()> {
    let Some(above) = std::env::var_os(ROOT).filter(|v| !v.is_empty()).map(PathBuf::from) else { return Ok(()) };
    let root = above.join(format!("j{}", std::process::id()));
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
    let deadline = Instant::now() + START_LIMIT;
    while !ready.exists() {
        if Instant::now() > deadline || !matches!(child.try_wait(), Ok(None)) {
            // Part of an error that is reported anyway.
            let words = fs::read_to_string(root.join("holder.log")).unwrap_or_default();
            return Err(GithubError::Job(format!("the job's engine did not start: {}", words.trim())));
        }
        thread::sleep(POLL_INTERVAL);
    }
    let bytes = fs::read(&ready).map_err(GithubError::io("read", &ready))?;
    let held: Held = serde_json::from_slice(&bytes).map_err(GithubError::job)?;
    let ours = |name: &str| ["DOCKER_", "BUILDX_", "LD_"].iter().any(|start| name.starts_with(start));
    let lines: String =
        held.env.iter().filter(|(n, _)| ours(n)).fold(String::new(), |t, (n, v)| t + &format!("{n}={v}\n"));
    append("GITHUB_ENV", &lines)?;
    // Without one there is no `docker` in it to be added.
    let paths = held.env.get("PATH").cloned().unwrap_or_default();
    if on_path(&std::env::var("PATH").unwrap_or_default(), "docker").is_none()
        && let Some(docker) = on_path(&paths, "docker").and_then(|p| p.parent().map(Path::to_owned))
    {
        append("GITHUB_PATH", &format!("{}\n", docker.display()))?;
    }
    let path = note(dir);
    fs::write(&path, bytes).map_err(GithubError::io("write", &path))
}

/// Appends to a file of the runner that a variable names; nothing where there is no such variable.
pub(crate) fn append(variable: &str, text: &str) -> Result<()> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(()) };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(GithubError::io("write", &path))
}

/// The job's own engine, where it has one.
///
/// # Errors
/// A note that does not read: without it, commands would go to the machine's engine.
fn held(dir: &Path) -> Result<Option<Held>> {
    let path = note(dir);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(GithubError::io("read", &path))?,
    };
    let held = serde_json::from_slice(&bytes);
    held.map(Some).map_err(|e| GithubError::Job(format!("{}: {e}", path.display())))
}

/// The engine's variables for programs that this process starts, where the job has an engine of its own.
pub(super) fn environment(dir: &Path) -> Result<std::collections::BTreeMap<String, String>> {
    Ok(held(dir)?.map(|h| h.env).unwrap_or_default())
}

/// Ends the job's engine and removes its files, where there is one.
pub(super) fn stop(dir: &Path) -> Result<()> {
    let Some(held) = held(dir)? else { return Ok(()) };
    let stop = held.root.join("stop");
    fs::write(&stop, "").map_err(GithubError::io("write", &stop))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while held.root.join("ready.json").exists() && Instant::now() < deadline {
        thread::sleep(POLL_INTERVAL);
    }
    // What is left is below the folder that the rehearsal removes as a whole.
    let _ = fs::remove_dir_all(&held.root);
    Ok(())
}

/// The inside: starts the engine in this process's namespaces and holds it until told, or until the owner is gone.
pub fn hold(root: &Path) -> Result<()> {
    let store = input("image_store").map_or(Ok(ImageStore::Containerd), |text| text.parse());
    let store = store.map_err(GithubError::input)?;
    namespace::own_run_folder(root)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(GithubError::io("start", "the API client's runtime"))?;
    let programs = Programs::find()?;
    let job = root.file_name().map(|n| n.to_string_lossy().into_owned());
    let job = job.ok_or_else(|| GithubError::Job(format!("{} names no folder of an engine", root.display())))?;
    let config =
        EngineConfig { root: root.join("e"), job: job.clone(), store, kind: EngineKind::Private, host_daemon: None };
    let mut engine = Engine::start(&programs, &config, &runtime)?;
    let held = Held { root: root.to_owned(), env: engine.env().clone() };
    let ready = root.join("ready.json");
    let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).map_err(GithubError::io("write", path));
    let part = root.join("ready.part");
    write(&part, &serde_json::to_vec(&held).map_err(GithubError::job)?)?;
    fs::rename(&part, &ready).map_err(GithubError::io("rename", &ready))?;
    let alive = || root.parent().is_some_and(|above| above.join(ALIVE).exists());
    while !root.join("stop").exists() && alive() {
        thread::sleep(POLL_INTERVAL);
    }
    engine.stop();
    handoff_docker::leftovers::remove_cgroups(&job);
    // It tells the job that the engine is gone; a job that waits for it gives up in the end.
    let _ = fs::remove_file(&ready);
    Ok(())
}
