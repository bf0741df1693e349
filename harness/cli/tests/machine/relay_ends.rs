//! An end of a relay as a process, as whoever drives one holds it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use handoff_services::Service;

use crate::daemon::Daemon;
use crate::relay::step_with;

/// An end that runs. Dropped, it ends, because its input does.
pub struct End {
    child: Child,
    pub registry: String,
}

impl End {
    /// `handoff relay` with these arguments in a job whose token this is.
    pub fn start(service: &Service, daemon: &Daemon, token: &str, args: &[&str]) -> Self {
        Self::of(step_with(daemon, service, token, &[&["relay"], args].concat()))
    }

    /// The end that a command starts.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let registry = line.trim().strip_prefix("registry=").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, registry }
    }

    /// The most memory that it has had so far, in bytes.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// Commits a sender.
    pub fn commit(mut self) {
        self.child.stdin.take().unwrap().write_all(b"commit\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Kills the process as the kernel does when memory is short.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
