//! `handoff report`: files, the same twice, a newer schema, a trace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{SampleRuns, expect, handoff, request, seconds};

/// Folder of a run of four strategies at two sizes.
fn run() -> (SampleRuns, PathBuf) {
    let samples = SampleRuns::new();
    let dir = samples.run("run", request("artifact,cache-tar,gha-cache,rebuild", &["1GiB", "2GiB"], 3), 2, seconds);
    (samples, dir.into())
}

/// Every file that a report writes, by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in ["report.md", "report.html"] {
        all.insert(name.to_owned(), fs::read(dir.join(name)).unwrap());
    }
    for entry in fs::read_dir(dir.join("plots")).unwrap().flatten() {
        all.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap());
    }
    all
}

#[test]
fn report_renders_the_same_files_twice() {
    let (_samples, dir) = run();
    let name = dir.display().to_string();
    let (stdout, _) = expect(&mut handoff(&["report", &name]), 0);
    for file in ["report.md", "report.html", "plots"] {
        assert!(stdout.contains(&dir.join(file).display().to_string()), "{stdout}");
    }
    let first = files(&dir);
    let charts = |end: &str| first.keys().filter(|n| n.ends_with(end)).count();
    assert!(charts(".svg") >= 5 && charts(".svg") == charts(".png"), "{:?}", first.keys());
    // A chart of an earlier report that this one does not have would be taken for one of its own.
    fs::write(dir.join("plots/09-timeline.svg"), "old").unwrap();
    let out = dir.join("elsewhere").display().to_string();
    fs::write(dir.join("plots/mine.txt"), "kept").unwrap();
    expect(&mut handoff(&["report", &name]), 0);
    assert!(!dir.join("plots/09-timeline.svg").exists() && dir.join("plots/mine.txt").exists());
    fs::remove_file(dir.join("plots/mine.txt")).unwrap();
    assert!(first == files(&dir));
    expect(&mut handoff(&["report", &name, "--out", &out]), 0);
    assert!(first == files(Path::new(&out)));
}

#[test]
fn columns_of_a_newer_schema_are_ignored_with_a_warning() {
    let (_samples, dir) = run();
    let path = dir.join("measurements.csv");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut more = format!("{},flux_ns\n", lines.next().unwrap());
    more.extend(lines.map(|line| format!("{line},7\n")));
    fs::write(&path, more).unwrap();
    expect(&mut handoff(&["report", &dir.display().to_string()]), 0);
    let report = fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(report.contains("unknown columns are ignored: flux_ns"), "{report}");
}

#[test]
fn trace_is_json_and_a_typo_in_its_trial_is_named() {
    let (_samples, dir) = run();
    let name = dir.display().to_string();
    let trial = handoff_records::Results::read(&dir).unwrap().plan.trials[0].id.clone();
    let (trace, _) = expect(&mut handoff(&["report", &name, "--trace", &trial]), 0);
    assert!(serde_json::from_str::<serde_json::Value>(&trace).unwrap()["traceEvents"].is_array());
    assert!(!dir.join("report.md").exists(), "a trace writes nothing");
    let (_, stderr) = expect(&mut handoff(&["report", &name, "--trace", &trial[..trial.len() - 1]]), 2);
    assert!(stderr.contains(&trial), "{stderr}");
}
