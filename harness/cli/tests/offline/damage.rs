//! Results folders whose files are damaged: no verb may use fewer rows than are there without a word, or panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use handoff_model::Trial;
use handoff_records::Results;

use crate::support::{SampleRuns, handoff, request};

mod mutations;

use mutations::{Expect, Mutation};

const FILES: [&str; 5] = ["plan.json", "environments.json", "consumers.csv", "spans.csv", "measurements.csv"];
const CSVS: [&str; 3] = ["consumers.csv", "spans.csv", "measurements.csv"];

/// Three strategies in three rounds; the second trial of the second round fails.
fn seconds(trial: &Trial) -> Option<(f64, f64)> {
    (trial.position != FAILED as u32).then(|| (20.0 + f64::from(trial.round), 10.0 + f64::from(trial.position)))
}

/// Position of the trial that fails, which is its line without the header.
const FAILED: usize = 5;

fn whole(samples: &SampleRuns, name: &str) -> PathBuf {
    samples.run(name, request("artifact,gha-cache,rebuild", &["1GiB"], 3), 2, seconds).into()
}

/// A folder's files as text, changed one at a time.
fn all(dir: &Path) -> Vec<(&'static str, Vec<Mutation>)> {
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let of = |name: &'static str| {
        let text = text(name);
        let more = match name {
            "plan.json" => mutations::plan(&text),
            "environments.json" => mutations::environments(&text),
            "consumers.csv" => mutations::consumers(&text),
            "spans.csv" => mutations::spans(&text),
            _ => mutations::measurements(&text, FAILED),
        };
        let general = match name {
            "consumers.csv" => mutations::csv(&text, "consume_ns", false),
            "spans.csv" => mutations::csv(&text, "start_ns", false),
            "measurements.csv" => mutations::csv(&text, "consume_ns", true),
            _ => mutations::json(&text),
        };
        (name, general.into_iter().chain(more).collect())
    };
    FILES.map(of).into()
}

/// A folder like `whole`, with one file changed.
fn spoilt(whole: &Path, above: &Path, name: &str, bytes: Option<&[u8]>) -> PathBuf {
    let dir = above.join("spoilt");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    for file in FILES {
        fs::copy(whole.join(file), dir.join(file)).unwrap();
    }
    match bytes {
        Some(bytes) => fs::write(dir.join(name), bytes).unwrap(),
        None => fs::remove_file(dir.join(name)).unwrap(),
    }
    dir
}

/// The rows that files hold, however their lines end.
fn rows_there(dir: &Path) -> usize {
    let count = |name: &str| {
        let bytes = fs::read(dir.join(name)).unwrap_or_default();
        bytes.split(|b| *b == b'\n' || *b == b'\r').filter(|l| !l.is_empty()).count().saturating_sub(1)
    };
    CSVS.iter().map(|name| count(name)).sum()
}

fn rows_used(dir: &Path) -> usize {
    Results::read(dir).map_or(0, |r| r.consumers.len() + r.spans.len() + r.measurements.len())
}

/// The line of stderr that is of the file, with a line number where the file has lines.
fn names(stderr: &str, file: &str) -> bool {
    let numbered = |line: &str| {
        line.split_once(&format!("{file}:")).is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    stderr.lines().any(numbered)
}

/// Checks one run of a verb with a damaged folder.
fn check(file: &str, dir: &Path, output: &Output, expect: Expect) -> Result<(), String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let must =
        |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {:?} {stderr}", output.status)) };
    let code = output.status.code();
    let lines = |word: &str| stderr.lines().filter(|l| l.starts_with(word)).count();
    must(lines("error: ") + lines("warning: ") == stderr.lines().count(), "a message is more than a line")?;
    must(lines("error: ") == usize::from(code != Some(0)), "a failure has one error")?;
    let named = if expect == Expect::CutOff { names(&stderr, "spans.csv") } else { names(&stderr, file) };
    must(code != Some(0) || rows_used(dir) == rows_there(dir) || named, "rows are left out without a word")?;
    must(named || stderr.contains(file), "the file is not named")?;
    match expect {
        Expect::Damaged => must(code == Some(5), "damaged"),
        Expect::Refused => must(code == Some(2), "refused"),
        Expect::Named | Expect::CutOff => must(code == Some(0) && named, "named"),
    }
}

fn verbs(other: &Path, dir: &Path) -> Vec<(&'static str, Output)> {
    let (other, dir) = (other.display().to_string(), dir.display().to_string());
    let ask = ["--consumers", "3", "--pushes-per-day", "5", "--image-size", "1GiB"];
    let recommend = [&["recommend", &dir][..], &ask].concat();
    let calls: [(&'static str, &[&str]); 5] = [
        ("json", &["report", &dir, "--format", "json"]),
        ("csv", &["report", &dir, "--format", "csv"]),
        ("markdown", &["report", &dir, "--format", "markdown"]),
        ("compare", &["compare", &other, &dir]),
        ("recommend", &recommend),
    ];
    calls.map(|(name, args)| (name, handoff(args).output().unwrap())).into()
}

/// Runs `work` on each item, on all cores, and panics with all that failed, each in a line.
fn on_all_cores<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        failed.lock().unwrap().push(error);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), items.len(), failed.join("\n"));
}

#[test]
fn damaged_file_is_named_and_its_rows_are_not_used() {
    let samples = SampleRuns::new();
    let (other, whole) = (whole(&samples, "other"), whole(&samples, "whole"));
    for (name, output) in verbs(&other, &whole) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{name} of the whole folder: {stderr}");
    }
    let mutations: Vec<(&str, Mutation)> =
        all(&whole).into_iter().flat_map(|(file, list)| list.into_iter().map(move |m| (file, m))).collect();
    for file in FILES {
        assert!(mutations.iter().filter(|(f, _)| *f == file).count() >= 20, "{file} is damaged in too few ways");
    }
    on_all_cores(&mutations, |(file, (name, bytes, expect))| {
        let above = tempfile::tempdir().unwrap();
        let dir = spoilt(&whole, above.path(), file, bytes.as_deref());
        for (verb, output) in verbs(&other, &dir) {
            check(file, &dir, &output, *expect).map_err(|e| format!("{verb} with {file}, {name}: {e}"))?;
        }
        Ok(())
    });
}

#[test]
fn report_of_damaged_rows_uses_the_others_and_exits_with_5() {
    let samples = SampleRuns::new();
    let whole = whole(&samples, "whole");
    let text = fs::read_to_string(whole.join("measurements.csv")).unwrap();
    let above = tempfile::tempdir().unwrap();
    let spoil = text.replacen(",true,", ",false,", 9);
    let dir = spoilt(&whole, above.path(), "measurements.csv", Some(spoil.as_bytes()));
    let output = handoff(&["report", &dir.display().to_string()]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(!output.stdout.is_empty());
    let report = fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(report.contains("measurements.csv:") && names(&stderr, "measurements.csv"), "{stderr}");

    // What is published elsewhere stays as it is.
    let readme = above.path().join("README.md");
    fs::write(&readme, "<!-- handoff:table:begin -->\n<!-- handoff:table:end -->\n").unwrap();
    let args = ["report".to_owned(), dir.display().to_string(), "--readme".to_owned(), readme.display().to_string()];
    assert_eq!(handoff(&args).output().unwrap().status.code(), Some(5));
    assert!(!fs::read_to_string(&readme).unwrap().contains('|'));
}

/// A folder of which the measurements of some trials contradict themselves, or of all.
fn contradictory(whole: &Path, above: &Path, trials: usize) -> String {
    let text = fs::read_to_string(whole.join("measurements.csv")).unwrap();
    let spoil = text.replacen(",completed,", ",failed,", trials);
    spoilt(whole, above, "measurements.csv", Some(spoil.as_bytes())).display().to_string()
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = handoff(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn trials_set_aside_are_never_called_not_run_yet() {
    let samples = SampleRuns::new();
    let (whole, above) = (whole(&samples, "whole"), tempfile::tempdir().unwrap());
    for trials in [1, 9] {
        let dir = contradictory(&whole, above.path(), trials);
        let trials = if trials == 9 { 8 } else { trials };
        for format in ["text", "markdown"] {
            let (code, stdout, stderr) = run(&["report", &dir, "--format", format]);
            assert_eq!(code, Some(5), "{stderr}");
            let words = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&format!("{trials} set aside because their rows cannot be used")), "{stdout}");
            assert!(!stdout.contains("not run yet") && !stdout.contains("--resume` continues"), "{stdout}");
        }
        let (_, stdout, _) = run(&["report", &dir, "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(json["provenance"][0]["set_aside"], trials);
    }
}

#[test]
fn damage_is_the_error_when_no_usable_row_is_left() {
    let samples = SampleRuns::new();
    let (other, whole, above) = (whole(&samples, "other"), whole(&samples, "whole"), tempfile::tempdir().unwrap());
    let trial = Results::read(&whole).unwrap().plan.trials[0].id.clone();
    let dir = contradictory(&whole, above.path(), 9);
    let ask = ["recommend", &dir, "--consumers", "3", "--pushes-per-day", "5", "--image-size", "1GiB"];
    for args in [&ask[..], &["compare", &other.display().to_string(), &dir], &["report", &dir, "--trace", &trial]] {
        let (code, _, stderr) = run(args);
        assert_eq!(code, Some(5), "{args:?}: {stderr}");
        assert!(
            stderr.lines().last().unwrap().starts_with("error: rows of ") && !stderr.contains("run more"),
            "{stderr}"
        );
    }
}

#[test]
fn recommendation_from_damaged_rows_says_so_in_its_notes() {
    let samples = SampleRuns::new();
    let (whole, above) = (whole(&samples, "whole"), tempfile::tempdir().unwrap());
    let dir = contradictory(&whole, above.path(), 1);
    let ask = ["recommend", &dir, "--consumers", "3", "--pushes-per-day", "5", "--image-size", "1GiB"];
    let (code, stdout, stderr) = run(&ask);
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stdout.contains("# rows of spoilt cannot be used (1 of its 9 trials are set aside)"), "{stdout}");
    let (_, stdout, _) = run(&[&ask[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let notes = json["notes"].as_array().unwrap();
    assert!(notes.iter().any(|n| n.as_str().unwrap().starts_with("rows of spoilt cannot be used")), "{json}");
}

#[test]
fn unwritable_warning_exits_with_4() {
    let samples = SampleRuns::new();
    let (whole, above) = (whole(&samples, "whole"), tempfile::tempdir().unwrap());
    let text = fs::read_to_string(whole.join("spans.csv")).unwrap().replace('\n', "\r\n");
    let dir = spoilt(&whole, above.path(), "spans.csv", Some(text.as_bytes())).display().to_string();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = handoff(&["report", &dir, "--format", "csv"]).stderr(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(4));
    assert_eq!(run(&["report", &dir, "--format", "csv"]).0, Some(0));
}

#[test]
fn device_or_directory_in_the_place_of_a_file_is_refused_with_a_fix() {
    let samples = SampleRuns::new();
    let (whole, above) = (whole(&samples, "whole"), tempfile::tempdir().unwrap());
    let good = whole.display().to_string();
    for option in ["--readme", "--spike"] {
        let (code, _, stderr) = run(&["report", &good, option, "/dev/full", "--check"]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("it is a device or a pipe: name a regular file"), "{stderr}");
    }
    for file in FILES {
        let dir = spoilt(&whole, above.path(), file, None);
        fs::create_dir(dir.join(file)).unwrap();
        let (code, _, stderr) = run(&["report", &dir.display().to_string(), "--format", "csv"]);
        assert_eq!(code, Some(5), "{stderr}");
        assert!(stderr.contains(&format!("{file}: it is no regular file: restore it")), "{stderr}");
    }
    let (code, _, stderr) = run(&["report", &good, "--out", "/dev/null/there"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("move it away, or name another place"), "{stderr}");
}
