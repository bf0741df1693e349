//! An end of a relay as a process, as whoever drives one holds it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use handoff_service::Service;

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
        let mut command = step_with(daemon, service, token, &[&["relay"], args].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let registry = line.trim().strip_prefix("registry=").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, registry }
    }

    /// Completes a sending end.
    pub fn commit(mut self) {
        self.child.stdin.take().unwrap().write_all(b"commit\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// As the kernel does when memory is short.
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
