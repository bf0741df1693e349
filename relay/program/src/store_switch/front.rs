//! Part of the switch that any user runs: it starts the part with root, by `sudo -n` unless it is root's itself.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::answer::{Answer, Restored, Switched};
use super::args::RestoreStoreArgs;
use super::error::{Refusal, SwitchError};
use super::machine::Store;
use super::real::PATH;
use super::{LEDGERS, Root, engine, ledger};

/// Options of a switch.
#[derive(Debug, Clone)]
pub struct SwitchOptions {
    /// Program with the commands `store-switch` and `restore-store`, by its absolute path.
    pub program: PathBuf,
    /// Engine, as `DOCKER_HOST` or a context names it.
    pub endpoint: String,
    /// Whether the engine may be restarted: on a [hosted runner](is_hosted), or because the user insists (`=force`).
    pub allowed: bool,
    /// Configuration file of the daemon, if it is not the one that dockerd reads.
    pub daemon_config: Option<PathBuf>,
    /// Restart command, if it is not `systemctl restart docker`.
    pub restart_command: Option<String>,
}

/// Options of undoing switches.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Program with the commands `store-switch` and `restore-store`, by its absolute path.
    pub program: PathBuf,
    /// Arguments of the command.
    pub args: RestoreStoreArgs,
}

/// Whether this machine is a hosted runner, which no other job uses afterwards.
pub fn is_hosted() -> bool {
    std::env::var("RUNNER_ENVIRONMENT").is_ok_and(|value| value == "github-hosted")
}

/// Switches an engine to the containerd store.
///
/// The part with root is a process of its own, which goes on if this future is dropped or this process ends.
///
/// # Errors
/// The switch is refused; or it failed, and was undone unless the error says otherwise.
pub async fn switch(options: &SwitchOptions) -> Result<Switched, SwitchError> {
    let socket = engine::socket(&options.endpoint)?;
    // Users outside the group docker cannot ask; the part with root then does.
    let store = tokio::task::spawn_blocking(move || engine::info(&socket).map(|info| info.store())).await;
    if matches!(store, Ok(Ok(Store::Containerd))) {
        return Ok(Switched::Already);
    }
    if !options.allowed {
        return Err(Refusal::NotHosted.into());
    }
    let mut args: Vec<OsString> = vec!["store-switch".into(), "--endpoint".into(), options.endpoint.clone().into()];
    add(&mut args, options.daemon_config.as_deref(), options.restart_command.as_deref());
    match run_as_root(&options.program, &args).await? {
        Answer::Switched(switched) => Ok(switched),
        other => Err(unexpected(&options.program, &other)),
    }
}

/// Undoes all switches of this machine, or the one of a configuration file. Nothing to undo is success.
///
/// # Errors
/// A configuration file was changed after the switch, or an engine does not come back.
pub async fn restore(options: &RestoreOptions) -> Result<Restored, SwitchError> {
    // Also the folder of a ledger that was not written counts: the part with root removes it.
    if matches!(ledger::all(Path::new(LEDGERS)), Ok(all) if all.is_empty()) {
        return Ok(Restored::default());
    }
    let args = options.args.clone();
    if rustix::process::geteuid().is_root() {
        let task = tokio::task::spawn_blocking(move || Root::default().restore(&args));
        return task.await.unwrap_or_else(|e| Err(no_answer(&options.program, e.to_string())));
    }
    let mut line: Vec<OsString> = vec!["restore-store".into(), "--json".into()];
    add(&mut line, args.daemon_config.as_deref(), args.restart_command.as_deref());
    match run_as_root(&options.program, &line).await? {
        Answer::Restored(restored) => Ok(restored),
        other => Err(unexpected(&options.program, &other)),
    }
}

fn add(args: &mut Vec<OsString>, config: Option<&Path>, restart: Option<&str>) {
    // With `=`: a value that begins with a hyphen is then no option.
    let mut push = |name: &str, value: &OsStr| {
        let mut arg = OsString::from(name);
        arg.push(value);
        args.push(arg);
    };
    if let Some(path) = config {
        push("--daemon-config=", path.as_os_str());
    }
    if let Some(command) = restart {
        push("--restart-command=", command.as_ref());
    }
}

/// Runs the program as root, with nothing of our environment: it has the job's token.
async fn run_as_root(program: &Path, args: &[OsString]) -> Result<Answer, SwitchError> {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = tokio::process::Command::new(if is_root { program.as_os_str() } else { "sudo".as_ref() });
    if !is_root {
        command.arg("-n").arg("--").arg(program);
    }
    command.args(args).env_clear().env("PATH", PATH).current_dir("/").stdin(Stdio::null());
    // In a group of its own, which Ctrl-C in a terminal does not reach: the switch ends, or is undone, by itself.
    command.process_group(0);
    let output = match command.output().await {
        Err(e) if !is_root && e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Refusal::NoRoot("there is no sudo".to_owned()).into());
        }
        other => other.map_err(|e| no_answer(program, e.to_string()))?,
    };
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match serde_json::from_str(text.trim()) {
        Ok(Answer::Error { kind, message }) => Err(SwitchError::Reported { kind, message }),
        Ok(answer) => Ok(answer),
        Err(_) => {
            let line = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no output").trim();
            // sudo itself refused, so the program did not run.
            if !is_root && text.is_empty() && line.starts_with("sudo:") {
                return Err(Refusal::NoRoot(line.to_owned()).into());
            }
            Err(no_answer(program, format!("{}: {line}", output.status)))
        }
    }
}

fn no_answer(program: &Path, why: String) -> SwitchError {
    SwitchError::NoAnswer { program: program.display().to_string(), why }
}

fn unexpected(program: &Path, answer: &Answer) -> SwitchError {
    no_answer(program, format!("unexpected {answer:?}"))
}
