//! The docker client, run with the user's engine and configuration.
//!
//! A client that is given up, for example by Ctrl-C, gets SIGTERM, which it hands on to its plugins: buildx then tells the builder
//! to stop.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;

use handoff_model::shell::{self, last_lines};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::Error;
use crate::error::bail_input;
use crate::store_switch::DEFAULT_ENDPOINT;

/// Output of a program that has ended, trimmed.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Last lines of its errors in one line.
    fn last_words(&self) -> String {
        let text = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        let last = last_lines(text, 4, 2_000);
        if last.is_empty() { "no reason given".to_owned() } else { last }
    }
}

/// Child that is told to end when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Client(pub(crate) Child);

impl Drop for Client {
    fn drop(&mut self) {
        let running = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = running {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands an error over by value")]
pub(crate) fn does_not_start(error: std::io::Error) -> Error {
    Error::BadInput(format!("docker does not start: {error}; install it, or add it to PATH"))
}

/// Output of `docker` with arguments; an error where it does not start.
pub(crate) async fn ask<S: AsRef<OsStr>>(args: &[S]) -> Result<Answer, Error> {
    let mut command = Command::new("docker");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = Client(command.spawn().map_err(does_not_start)?);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (client.0.stdout.take(), client.0.stderr.take());
    let read_out = async {
        if let Some(mut pipe) = stdout {
            let _ = pipe.read_to_end(&mut out).await;
        }
    };
    let read_err = async {
        if let Some(mut pipe) = stderr {
            let _ = pipe.read_to_end(&mut err).await;
        }
    };
    let (status, (), ()) = tokio::join!(client.0.wait(), read_out, read_err);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(Answer { success: status.map_err(does_not_start)?.success(), stdout: text(&out), stderr: text(&err) })
}

/// Runs docker; the error quotes its last lines.
pub(crate) async fn run(args: &[&str]) -> Result<(), Error> {
    let answer = ask(args).await?;
    if answer.success {
        return Ok(());
    }
    let command: Vec<_> = args.iter().map(|arg| shell::quote(arg)).collect();
    Err(Error::Failed(format!("docker {} failed: {}; check the engine's log", command.join(" "), answer.last_words())))
}

/// Name of an image that goes with this value. The image stays under its other names, and a name that cannot be removed costs
/// nothing.
#[derive(Debug)]
pub(crate) struct TemporaryTag(pub(crate) String);

impl Drop for TemporaryTag {
    fn drop(&mut self) {
        // Blocks for some milliseconds, because a future that is dropped cannot wait.
        let mut command = std::process::Command::new("docker");
        command.args(["rmi", "--no-prune", &self.0]);
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Refuses podman under the name of docker: it pushes to a registry on loopback by TLS alone, and has no BuildKit.
pub(crate) async fn refuse_podman() -> Result<(), Error> {
    let Answer { stdout: version, stderr, .. } = ask(&["--version"]).await?;
    if format!("{version} {stderr}").to_lowercase().contains("podman") {
        bail_input!(
            "`docker` is podman here ({}), which does not work with relay: install Docker's own client and put it first on the PATH",
            shell::escaped(&version)
        );
    }
    Ok(())
}

/// Socket of the engine that the docker client talks to.
///
/// # Errors
/// Where the engine is instead, for the line that says why its store is not written into.
pub(crate) async fn engine_socket() -> Result<PathBuf, String> {
    socket_of(&endpoint().await)
}

/// Address of the engine that the docker client talks to.
pub(crate) async fn endpoint() -> String {
    match std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        Some(host) => host,
        None => match ask(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).await {
            Ok(answer) if answer.success => answer.stdout,
            _ => DEFAULT_ENDPOINT.to_owned(),
        },
    }
}

fn socket_of(host: &str) -> Result<PathBuf, String> {
    match host.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(format!("the engine is at {}, not at a socket of this machine", shell::escaped(host))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_of_this_machine_is_an_engine_to_import_into() {
        assert_eq!(socket_of("unix:///var/run/docker.sock").unwrap(), PathBuf::from("/var/run/docker.sock"));
        for other in ["tcp://10.0.0.1:2376", "ssh://host", "npipe:////./pipe/docker_engine", "unix://docker.sock", ""] {
            assert!(socket_of(other).unwrap_err().contains("not at a socket"), "{other}");
        }
    }
}
