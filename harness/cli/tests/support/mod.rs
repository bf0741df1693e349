//! Helpers of both test programs, `offline` and `machine`: running the binary, and folders of sample runs.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod sample_runs;

pub use sample_runs::{SampleRuns, request, seconds};

/// Folder for results, and a folder for engines with a short path, because it holds sockets.
pub struct RunFolders {
    pub out: PathBuf,
    pub work: TempDir,
    _out: TempDir,
}

impl RunFolders {
    pub fn new() -> Self {
        let out = tempfile::tempdir().unwrap();
        let work = tempfile::Builder::new().prefix("hf").tempdir_in("/var/tmp").unwrap();
        Self { out: out.path().join("results"), work, _out: out }
    }

    /// `handoff run` with these folders.
    pub fn run(&self, args: &[&str]) -> Command {
        let mut command = handoff(&["run"]);
        // As a person would name it: relative to where they are.
        command.current_dir(self.out.parent().unwrap());
        command.args(args).arg("--out").arg(self.out.file_name().unwrap()).arg("--work-dir").arg(self.work.path());
        command
    }
}

/// The binary with arguments.
pub fn handoff<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handoff"));
    command.args(args).env("NO_COLOR", "1");
    command
}

/// Runs to the end; panics with all output unless the exit code is the expected one.
///
/// A machine that is taken by a run that is not ours is waited for: two at once would measure each other.
pub fn expect(command: &mut Command, code: i32) -> (String, String) {
    let patience = Instant::now() + Duration::from_mins(15);
    let busy = |o: &Output| {
        code != 4 && o.status.code() == Some(4) && String::from_utf8_lossy(&o.stderr).contains("another run of handoff")
    };
    let Output { status, stdout, stderr } = loop {
        let output = command.output().unwrap();
        if !busy(&output) || Instant::now() > patience {
            break output;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    let (stdout, stderr) =
        (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{command:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    (stdout, stderr)
}

/// The one line of a failure.
pub fn error(what: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{what}: {stderr}");
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    errors[0].to_owned()
}
