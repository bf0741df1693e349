//! Parent's side of the pipe: the helper process.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::protocol::{Event, HelperFacts, MAX_LINE, Request, request_frame};
use crate::failure::{FailureKind, ImportError};

/// Bytes of the pipe to the helper, where the system allows it.
const PIPE_BYTES: usize = 1 << 20;
/// Bytes of the helper's last messages that an error shows.
const SHOWN_BYTES: usize = 2048;
/// Longest start of a helper, which may remove what killed imports left.
const START_TIMEOUT: Duration = Duration::from_mins(6);
/// Longest end of a helper, which removes what it has made.
const END_TIMEOUT: Duration = Duration::from_mins(6);
/// Folders of the programs that start the helper. The caller's `PATH` is not asked: the helper runs as root.
const FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Reason in one line why nothing can be imported here. The engine's own pull may succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Running helper that has passed the gate.
///
/// Dropping it ends its input. The helper then undoes an import in progress and ends by itself.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    pub(super) input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    messages: Arc<Mutex<Vec<u8>>>,
    facts: HelperFacts,
}

impl Helper {
    /// Starts `PROGRAM import-helper` as root, without environment and network, and lets it pass the gate of the engine.
    ///
    /// `sudo -n` starts it if this process is not root. `unshare --net` takes the network away where there is one. Unix
    /// sockets work without a network.
    ///
    /// # Errors
    /// The reason why the image is to be pulled instead.
    pub async fn start(program: &Path, docker_socket: &Path) -> Result<Self, Unavailable> {
        let mut command = command(program, rustix::process::geteuid().is_root(), find)?;
        let failed = |e: io::Error| Unavailable(format!("the import's helper does not start: {e}"));
        let mut child = command.spawn().map_err(failed)?;
        let gone = || Unavailable("the import's helper has no pipes".to_owned());
        let input = child.stdin.take().ok_or_else(gone)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        let errors = child.stderr.take().ok_or_else(gone)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&input, PIPE_BYTES);
        let messages = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(collect(errors, Arc::clone(&messages)));
        let facts = HelperFacts::default();
        let mut helper = Self { child, input: Some(input), answers, messages, facts };
        let opened = tokio::time::timeout(START_TIMEOUT, helper.open(docker_socket)).await;
        let late = || ImportError::store("the import's helper does not answer");
        helper.facts = opened.unwrap_or_else(|_| Err(late())).map_err(|error| Unavailable(error.reason))?;
        Ok(helper)
    }

    /// Facts of the engine's store.
    pub fn facts(&self) -> &HelperFacts {
        &self.facts
    }

    /// Ends the helper. Without this call it ends when it is dropped, and nobody waits for it.
    pub async fn stop(mut self) {
        self.input = None;
        let _ = tokio::time::timeout(END_TIMEOUT, self.child.wait()).await;
    }

    /// Number of the process that was started, for tests: `sudo`, or the helper itself.
    pub fn process(&self) -> Option<u32> {
        self.child.id()
    }

    async fn open(&mut self, docker_socket: &Path) -> Result<HelperFacts, ImportError> {
        self.request(&Request::Open { docker_socket: docker_socket.to_owned() }).await?;
        match self.event().await? {
            Event::Ready(facts) => Ok(facts),
            Event::Failed(error) => Err(error),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a request. A helper that has ended says why in its answers.
    pub(super) async fn request(&mut self, request: &Request) -> Result<(), ImportError> {
        let frame = request_frame(request).map_err(|e| ImportError::refused(format!("{e}: pull the image")))?;
        if let Some(input) = &mut self.input {
            let _ = input.write_all(&frame).await;
        }
        Ok(())
    }

    /// Next answer. It must not be dropped while it waits, or a part of a line is lost.
    pub(super) async fn event(&mut self) -> Result<Event, ImportError> {
        let mut line = Vec::new();
        let read = (&mut self.answers).take(MAX_LINE as u64).read_until(b'\n', &mut line).await;
        match read {
            Ok(1..) if line.ends_with(b"\n") => serde_json::from_slice(&line)
                .map_err(|e| ImportError::store(format!("the import's helper answers with no JSON: {e}"))),
            _ => Err(self.ended().await),
        }
    }

    /// Error of a helper that ended without an answer.
    async fn ended(&mut self) -> ImportError {
        self.input = None;
        let status = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
        let status = match status {
            Ok(Ok(status)) => status.to_string(),
            _ => "no status".to_owned(),
        };
        // Its last words may still be on their way.
        tokio::task::yield_now().await;
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let words = printable(&messages);
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        ImportError { kind: FailureKind::Store, reason: format!("the import's helper ended early ({status}){words}") }
    }
}

pub(super) fn unexpected(event: &Event) -> ImportError {
    let text = format!("{event:?}");
    let shown: String = text.chars().take(80).collect();
    ImportError::store(format!("the import's helper answers out of turn: {shown}; report this"))
}

/// Path of a program of the system.
fn find(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

fn command(program: &Path, is_root: bool, find: impl Fn(&str) -> Option<PathBuf>) -> Result<Command, Unavailable> {
    let program = program
        .canonicalize()
        .map_err(|e| Unavailable(format!("the import's helper {} is not there: {e}", program.display())))?;
    let mut words: Vec<PathBuf> = Vec::new();
    if !is_root {
        let sudo = find("sudo").ok_or_else(|| Unavailable("an import needs root, and there is no sudo".to_owned()))?;
        words.extend([sudo, "-n".into(), "--".into()]);
    }
    if let Some(unshare) = find("unshare") {
        words.extend([unshare, "--net".into(), "--".into()]);
    }
    words.extend([program, "import-helper".into()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    // A signal from the terminal ends the parent only. The helper then undoes what it has begun.
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Keeps the last bytes of the helper's messages.
async fn collect(mut errors: impl tokio::io::AsyncRead + Unpin, messages: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = [0; 1024];
    while let Ok(read @ 1..) = errors.read(&mut bytes).await {
        let mut kept = messages.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&bytes[..read]);
        let excess = kept.len().saturating_sub(SHOWN_BYTES);
        kept.drain(..excess);
    }
}

/// Messages as a part of one line.
fn printable(messages: &[u8]) -> String {
    let text = String::from_utf8_lossy(messages);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("; ");
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(is_root: bool, found: &[&str]) -> Result<Vec<String>, Unavailable> {
        let find = |name: &str| found.contains(&name).then(|| Path::new("/bin").join(name));
        let command = command(Path::new("/proc/self/exe"), is_root, find)?;
        let command = command.as_std();
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        Ok(all.map(|w| w.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn helper_is_started_as_root_and_without_network() {
        let own = std::env::current_exe().unwrap().canonicalize().unwrap().display().to_string();
        assert_eq!(words(true, &[]).unwrap(), [&own, "import-helper"]);
        let all = words(false, &["sudo", "unshare"]).unwrap();
        assert_eq!(all, ["/bin/sudo", "-n", "--", "/bin/unshare", "--net", "--", &own, "import-helper"]);
        assert!(words(false, &["unshare"]).unwrap_err().0.contains("no sudo"));
    }

    #[test]
    fn messages_become_one_line() {
        assert_eq!(printable(b"sudo: no\n\n  tty\x1b[1m\n"), "sudo: no; tty?[1m");
    }

    #[tokio::test]
    async fn program_that_is_no_helper_is_unavailable_with_its_message() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, "#!/bin/sh\necho \"told $1\" >&2\nexit 7\n").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = Helper::start(&program, Path::new("/no/socket")).await.unwrap_err();
        // Without root, sudo may be missing or ask for a password.
        assert!(!error.0.contains('\n'), "{error}");
        assert!(error.0.contains("told import-helper") || !rustix::process::geteuid().is_root(), "{error}");
    }
}
