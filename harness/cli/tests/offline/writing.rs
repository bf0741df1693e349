//! Failed writes: every verb reports them and leaves no half-written file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{SampleRuns, error, handoff, request};

mod every_verb {
    include!("every_verb.rs");
}

use every_verb::VERBS;

/// Files that calls need: a results folder, a checkout, a place where a run was cut off.
struct Scene {
    whole: String,
    other: String,
    trial: String,
    temp: tempfile::TempDir,
    _samples: SampleRuns,
}

impl Scene {
    fn new() -> Self {
        let samples = SampleRuns::new();
        let run = |name: &str| {
            samples.run(name, request("artifact,gha-cache,rebuild", &["1GiB"], 2), 2, |t| {
                Some((10.0, 20.0 + f64::from(t.position)))
            })
        };
        let (whole, other) = (run("whole"), run("other"));
        let trial = handoff_records::Results::read(whole.as_ref()).unwrap().plan.trials[0].id.clone();
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("work/dead")).unwrap();
        fs::write(temp.path().join("work/dead/run.json"), r#"{"pid":2147483647,"started":1,"jobs":["j"]}"#).unwrap();
        Self { whole, other, trial, temp, _samples: samples }
    }

    /// A checkout without its workflows.
    fn root(&self) -> PathBuf {
        let root = self.temp.path().join("root");
        let _ = fs::remove_dir_all(&root);
        checkout(&root);
        root
    }

    fn call(&self, path: &str, rest: &str) -> Command {
        let at = |name: &str| self.temp.path().join(name).display().to_string();
        let fill = |word: &str| {
            word.replace("{whole}", &self.whole)
                .replace("{other}", &self.other)
                .replace("{trial}", &self.trial)
                .replace("{temp}", &at(""))
                .replace("{work}", &at("work"))
                .replace("{root}", &self.root().display().to_string())
        };
        let words: Vec<String> = path.split(' ').chain(rest.split_whitespace()).map(fill).collect();
        let mut command = handoff(&words);
        command.current_dir(self.temp.path()).stdin(Stdio::null());
        command
    }

    /// Every call of every verb, with its name.
    fn calls(&self) -> impl Iterator<Item = (String, Command)> {
        let all = VERBS.iter().flat_map(|verb| verb.calls.iter().map(|rest| (verb.path, *rest)));
        all.map(|(path, rest)| (format!("{path} {rest}"), self.call(path, rest)))
    }
}

fn checkout(root: &Path) {
    let pins = "workflows/pins.toml";
    fs::create_dir_all(root.join("workflows")).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(pins), root.join(pins)).unwrap();
}

/// Runs a command to its end. One that serves on, which it must not, is ended.
fn end(what: &str, command: &mut Command) -> Output {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{what} goes on");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn every_verb_fails_when_its_output_is_lost() {
    let scene = Scene::new();
    let mut calls = 0;
    for (what, mut command) in scene.calls() {
        let output = end(&what, command.stdout(full()));
        assert_eq!(output.status.code(), Some(4), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let error = error(&what, &output);
        assert!(error.contains("No space left on device"), "{what}: {error}");
        calls += 1;
    }
    assert!(calls > 20);
    for verb in VERBS {
        assert!(verb.calls.is_empty() != verb.silent.is_empty(), "{}: calls, or why there are none", verb.path);
    }
}

#[test]
fn help_and_version_fail_when_they_are_lost() {
    let scene = Scene::new();
    let parents = VERBS.iter().filter_map(|v| Some(v.path.split_once(' ')?.0));
    let mut asked: Vec<String> = VERBS.iter().map(|v| v.path).chain(parents).map(|p| format!("{p} --help")).collect();
    asked.extend(["--help", "-h", "--version", "-V", "help", "help report"].map(str::to_owned));
    for what in asked {
        let (first, rest) = what.split_once(' ').unwrap_or((&what, ""));
        let output = end(&what, scene.call(first, rest).stdout(full()));
        assert_eq!(output.status.code(), Some(4), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(error(&what, &output).contains("cannot write to standard output"));
        let shown = end(&what, scene.call(first, rest).stdout(Stdio::piped()));
        assert!(shown.status.success() && !shown.stdout.is_empty(), "{what}");
    }
}

#[test]
fn closed_pipe_is_neither_failure_nor_panic() {
    let scene = Scene::new();
    for (what, mut command) in scene.calls().filter(|(what, _)| !what.starts_with("serve")) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // A machine that lacks something is told so by `doctor`'s exit code.
        let fine = output.status.success() || what.starts_with("doctor") && output.status.code() == Some(3);
        assert!(fine && !stderr.contains("panicked") && !stderr.contains("error: "), "{what}: {stderr}");
    }
}

#[test]
fn device_is_written_to_and_not_replaced() {
    let scene = Scene::new();
    let link = scene.temp.path().join("probe");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let output = handoff(&["image", "--probe", &link.display().to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(error("image --probe", &output).contains("/probe: No space left"));
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&fs::metadata("/dev/full").unwrap().file_type()));
}
