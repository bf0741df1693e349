//! What cannot be written: every verb says so, and leaves no half of a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::kit::handoff;
use crate::verdicts::{Made, request};

mod every_verb {
    include!("every_verb.rs");
}

use every_verb::VERBS;

/// What calls need: a results folder, a checkout, a place where a run was cut off.
struct Scene {
    whole: String,
    other: String,
    trial: String,
    temp: tempfile::TempDir,
    _made: Made,
}

impl Scene {
    fn new() -> Self {
        let made = Made::new();
        let run = |name: &str| {
            made.run(name, request("artifact,gha-cache,rebuild", &["1GiB"], 2), 2, |t| {
                Some((10.0, 20.0 + f64::from(t.position)))
            })
        };
        let (whole, other) = (run("whole"), run("other"));
        let trial = handoff_records::Results::read(whole.as_ref()).unwrap().plan.trials[0].id.clone();
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("work/dead")).unwrap();
        fs::write(temp.path().join("work/dead/run.json"), r#"{"pid":2147483647,"started":1,"jobs":["j"]}"#).unwrap();
        Self { whole, other, trial, temp, _made: made }
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

/// The one line of a failure.
fn error(what: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{what}: {stderr}");
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    errors[0].to_owned()
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn no_verb_ends_well_when_its_output_is_lost() {
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
fn a_reader_that_goes_away_is_no_failure_and_no_panic() {
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

/// Runs the binary with a folder that is a disk of 64 KiB, nearly full. `setup` may use `$0`, the folder.
fn on_a_full_disk(setup: &str, args: &[&str], check: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k none \"$0\" && {{ {setup}; }} && head -c 1m /dev/zero > \"$0/fill\" 2> /dev/null
        \"$@\"; code=$?; {{ {check}; }} || exit 99; exit $code"
    );
    let args: Vec<String> = args.iter().map(|a| a.replace("{full}", &dir.path().display().to_string())).collect();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(dir.path()).arg(env!("CARGO_BIN_EXE_handoff")).args(args);
    command.output().unwrap()
}

#[test]
fn a_file_that_does_not_fit_is_named_and_the_old_one_stays_whole() {
    let scene = Scene::new();
    let root = scene.root();
    let pins = root.join("workflows/pins.toml").display().to_string();
    let old = "echo old > \"$0/report.md\"; mkdir \"$0/plots\"";
    let kept = "grep -qx old \"$0/report.md\" && ! ls -A \"$0\" | grep -q part";
    let sync = format!("mkdir \"$0/workflows\" && cp {pins} \"$0/workflows\"");
    let cases: [(&str, &[&str], &str, &str); 6] = [
        (old, &["report", &scene.whole, "--out", "{full}"], kept, "/report.md: No space left"),
        (
            "true",
            &["report", &scene.whole, "--out", "{full}"],
            "! ls -A \"$0\" | grep -q part",
            "/report.md: No space left",
        ),
        (&sync, &["workflows", "sync", "--root", "{full}"], "true", ".yml: No space left"),
        (
            "true",
            &["image", "--size", "16MiB", "--probe", "{full}/probe"],
            "! ls \"$0/probe\" 2>&-",
            "/probe: No space",
        ),
        ("true", &["image", "--size", "16MiB", "--tree", "{full}/tree"], "true", "No space left"),
        ("true", &["image", "--size", "16MiB", "--context", "{full}/context"], "true", "No space left"),
    ];
    for (setup, args, check, part) in cases {
        let output = on_a_full_disk(setup, args, check);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{args:?}: {stderr}");
        assert!(error(&args.join(" "), &output).contains(part), "{args:?}: {stderr}");
    }
}

#[test]
fn what_is_no_regular_file_is_written_to_and_not_replaced() {
    let scene = Scene::new();
    let link = scene.temp.path().join("probe");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let output = handoff(&["image", "--probe", &link.display().to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(error("image --probe", &output).contains("/probe: No space left"));
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&fs::metadata("/dev/full").unwrap().file_type()));
}
