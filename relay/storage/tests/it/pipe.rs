//! The two ends of a shell pipe, as processes: what the verbs of the `handoff` binary do.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Lab, noise};
use handoff_model::SpanKind;
use handoff_storage::stream::StreamReport;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The example that cargo builds along with this test.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().and_then(Path::parent).unwrap().join("examples/stream");
    assert!(program.exists(), "build it: cargo build -p handoff-storage --example stream");
    program
}

pub fn command(lab: &Lab, args: &[&str], report: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(&args[..2]).arg(report).args(&args[2..]);
    command.env("ACTIONS_RESULTS_URL", &lab.endpoint.results_url).env("ACTIONS_RUNTIME_TOKEN", &lab.endpoint.token);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

pub fn report(path: &Path) -> StreamReport {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Feeds `data` to an upload, then says `word` at its gate, and gives its exit code.
async fn upload(lab: &Lab, dir: &Path, name: &str, data: Vec<u8>, word: Option<&'static str>) -> i32 {
    let gate = dir.join(format!("{name}.gate"));
    let path = gate.to_str().unwrap().to_owned();
    let args: Vec<&str> = if word.is_some() { vec!["upload", name, &path] } else { vec!["upload", name] };
    mknodat(CWD, &gate, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut child = command(lab, &args, &dir.join(name)).spawn().unwrap();
    let work = move || {
        // Opening waits for the uploader's end, closing at the scope's end is "no word".
        let mut writer = word.map(|_| OpenOptions::new().write(true).open(&gate).unwrap());
        child.stdin.take().unwrap().write_all(&data).unwrap();
        if let (Some(writer), Some(word)) = (&mut writer, word) {
            writer.write_all(word.as_bytes()).unwrap();
        }
        drop(writer);
        child.wait().unwrap().code().unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_passes_from_pipe_to_pipe_with_reports() {
    let lab = Lab::fair().await;
    let dir = tempfile::tempdir().unwrap();
    let data = noise(20 << 20);
    assert_eq!(upload(&lab, dir.path(), "open", data.clone(), Some("commit\n")).await, 0);
    assert_eq!(upload(&lab, dir.path(), "ungated", data.clone(), None).await, 0);
    let up = report(&dir.path().join("open"));
    assert_eq!((up.bytes, up.blocks, up.error.as_deref()), (20 << 20, Some(3), None));
    assert_eq!(up.spans[0].name, SpanKind::Command);

    for ranges in ["1", "3"] {
        let path = dir.path().join("down");
        let mut download = command(&lab, &["download", "open", ranges], &path);
        let output = tokio::task::spawn_blocking(move || download.output().unwrap()).await.unwrap();
        assert!(output.status.success());
        assert!(output.stdout == data);
        let down = report(&path);
        assert_eq!((down.bytes, &down.digest, &down.id), (20 << 20, &up.digest, &up.id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_with_a_shut_gate_is_not_visible() {
    let lab = Lab::fair().await;
    let dir = tempfile::tempdir().unwrap();
    for (name, word, why) in [("silent", "", "without a line"), ("abort", "abort\n", "it received")] {
        assert_eq!(upload(&lab, dir.path(), name, noise(100_000), Some(word)).await, 1);
        let error = report(&dir.path().join(name)).error.unwrap();
        assert!(error.contains(why), "{error}");
        assert!(!lab.listed(name).await);
    }
    assert!(!lab.proxy.seen().iter().any(crate::support::proxy::Seen::is_block_list));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_variables_and_artifacts_are_reported() {
    let lab = Lab::fair().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report");
    let mut download = command(&lab, &["download", "nothing"], &path);
    let output = tokio::task::spawn_blocking(move || download.output().unwrap()).await.unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(report(&path).error.unwrap().contains("no artifact named \"nothing\""));

    let mut lost = command(&lab, &["download", "nothing"], &path);
    lost.env_remove("ACTIONS_RESULTS_URL");
    assert_eq!(lost.output().unwrap().status.code(), Some(1));
    assert!(report(&path).error.unwrap().contains("ACTIONS_RESULTS_URL"));
}
