//! The real machine: the engine behind its socket, and commands that restart and check it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::machine::{Machine, Restart, Step, Store};
use super::{engine, files};

/// Programs of the part with root: no folder of a user.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Time that a restart command may take: systemd kills a daemon that does not stop, after 90 s by default.
const RESTART_TIMEOUT: Duration = Duration::from_mins(2);
const VALIDATE_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// The real machine.
pub(crate) struct Real<'a> {
    /// Socket of the engine.
    pub socket: PathBuf,
    /// Daemon as it ran before the switch, if it ran.
    pub daemon: Option<Daemon>,
    /// Called at each point.
    pub observe: &'a dyn Fn(Step),
    /// Begin of the clock.
    pub begin: Instant,
}

impl Machine for Real<'_> {
    fn store(&self) -> Result<Store, String> {
        engine::get(&self.socket, "/_ping")?;
        engine::info(&self.socket).map(|info| info.store())
    }

    fn restart(&self, restart: &Restart, log: &Path) -> Result<(), String> {
        let mut command = if let Some(text) = &restart.command {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            command
        } else {
            // systemd refuses a service that starts more than three times a minute (StartLimitBurst of docker.service).
            let reset = &mut Command::new("systemctl");
            let _ = run("systemctl reset-failed", reset.args(["reset-failed", "docker"]), PATH, log, RESTART_TIMEOUT);
            let mut command = Command::new("systemctl");
            command.args(["restart", "docker"]);
            command
        };
        if let Some((uid, gid)) = restart.user {
            command.uid(uid).gid(gid);
        }
        let name = restart.command.as_deref().unwrap_or("systemctl restart docker");
        run(name, &mut command, PATH, log, RESTART_TIMEOUT)
    }

    fn validate(&self, file: &Path, log: &Path) -> Result<(), String> {
        let Some(daemon) = self.daemon.as_ref().filter(|d| d.program.is_file()) else { return Ok(()) };
        let mut command = Command::new(&daemon.program);
        // With the daemon's own options: some settings are only valid with them, others conflict with them.
        command.arg("--validate").arg("--config-file").arg(file).args(daemon.other_options());
        command.current_dir("/");
        // dockerd looks for docker-proxy in its PATH.
        let path = daemon.environment.iter().find_map(|value| value.strip_prefix("PATH="));
        run("dockerd --validate", &mut command, path.unwrap_or(PATH), log, VALIDATE_TIMEOUT)
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn passed(&self, step: Step) {
        (self.observe)(step);
    }
}

/// Runs a command with nothing but a `PATH`; the error has its last line.
///
/// The output goes to a file instead of a pipe: a daemon that the command leaves behind would hold the pipe open.
fn run(name: &str, command: &mut Command, path: &str, log: &Path, timeout: Duration) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("`{name}` did not run: {e}");
    let _ = fs::remove_file(log);
    let out = files::new_file(log).map_err(failed)?;
    let err = out.try_clone().map_err(failed)?;
    command.env_clear().env("PATH", path).stdin(Stdio::null()).stdout(out).stderr(err);
    let mut child = command.spawn().map_err(failed)?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begin.elapsed() > timeout {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("`{name}` did not end in {} s", timeout.as_secs()));
        }
        std::thread::sleep(POLL);
    };
    if status.success() { Ok(()) } else { Err(format!("`{name}` failed ({status}): {}", last_line(log))) }
}

/// Last line of a file that is not empty, shortened.
fn last_line(path: &Path) -> String {
    let text = File::open(path).and_then(std::io::read_to_string).unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output");
    line.trim().chars().take(300).collect()
}
