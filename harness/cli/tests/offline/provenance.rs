//! Sources and disk that a run records, and their use by `--resume`, `compare` and `report`. No engine starts.

use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::environment::set_id;
use handoff_model::{Environment, PlanRequest};
use serde_json::{Value, json};

use crate::support::{SampleRuns, expect, handoff, request};

/// Changes the environments of a results folder.
fn edit(dir: &str, change: impl Fn(&mut Vec<Value>)) {
    let path = PathBuf::from(dir).join("environments.json");
    let mut all: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut all);
    fs::write(&path, serde_json::to_vec(&all).unwrap()).unwrap();
}

fn sample_run(name: &str, samples: &SampleRuns) -> String {
    samples.run(name, request("artifact,rebuild", &["1GiB"], 6), 2, |trial| {
        Some((10.0, 10.0 + f64::from(trial.round) + f64::from(trial.position) / 100.0))
    })
}

/// Records sources in the environment of a folder, whose id follows from them; gives the id.
fn record(dir: &str, digest: &str, commit: &str) -> String {
    let id = std::cell::RefCell::new(String::new());
    edit(dir, |all| {
        let mut environment: Environment = serde_json::from_value(all[0].clone()).unwrap();
        (environment.source_digest, environment.source_commit) = (digest.to_owned(), commit.to_owned());
        set_id(&mut environment);
        id.borrow_mut().clone_from(&environment.id);
        all[0] = serde_json::to_value(environment).unwrap();
    });
    let id = id.into_inner();
    rename(dir, "e2", &id);
    id
}

/// Puts another environment into the rows of a folder.
fn rename(dir: &str, from: &str, to: &str) {
    let path = Path::new(dir).join("measurements.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace(&format!(",{from},"), &format!(",{to},"))).unwrap();
}

/// One row is from another environment, with another kernel.
fn mix(dir: &str) {
    edit(dir, |all| {
        let mut other = all[0].clone();
        (other["id"], other["kernel"]) = (json!("other"), json!("6.9"));
        all.push(other);
    });
    let path = Path::new(dir).join("measurements.csv");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(",e2,"), "{text}");
    fs::write(path, text.replacen(",e2,", ",other,", 1)).unwrap();
}

#[test]
fn resume_by_a_program_from_other_sources_is_refused_before_anything_starts() {
    let runs = SampleRuns::new();
    let dir = sample_run("begun", &runs);
    let before = fs::read(Path::new(&dir).join("environments.json")).unwrap();
    let resume = || expect(&mut handoff(&["run", "--resume", "--out", &dir]), 2).1;
    let stderr = resume();
    assert!(stderr.contains("was measured in another environment: sources was not recorded"), "{stderr}");
    assert!(stderr.contains("--mixed") && stderr.contains("another --out"), "{stderr}");
    let recorded = format!("sha256:{}", "0".repeat(64));
    let id = record(&dir, &recorded, "");
    let stderr = resume();
    let current = handoff_source::digest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    assert!(stderr.contains(&format!("sources was {recorded}, is {current}: ")), "{stderr}");
    edit(&dir, |all| {
        all[0].as_object_mut().unwrap().remove("source_digest");
        all[0]["id"] = json!("e2");
    });
    rename(&dir, &id, "e2");
    let now: Value = serde_json::from_slice(&fs::read(Path::new(&dir).join("environments.json")).unwrap()).unwrap();
    assert_eq!(now, serde_json::from_slice::<Value>(&before).unwrap(), "a refusal changes nothing");
}

#[test]
fn mixed_without_resume_is_refused() {
    let (_, stderr) = expect(&mut handoff(&["run", "--mixed"]), 2);
    assert!(stderr.contains("--resume"), "{stderr}");
}

#[test]
fn version_names_commit_and_sources() {
    let (version, _) = expect(&mut handoff(&["--version"]), 0);
    let digest = handoff_source::digest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let short: String = digest.trim_start_matches("sha256:").chars().take(12).collect();
    assert!(version.starts_with("handoff ") && version.contains("(commit "), "{version}");
    assert!(version.trim_end().ends_with(&format!(", sources {short})")), "{version}");
}

#[test]
fn rows_of_two_environments_are_never_merged_silently() {
    let runs = SampleRuns::new();
    let dir = sample_run("mixed", &runs);
    let words =
        "Rows of 2 environments are mixed here: e2 (11 trials), other (1 trial). They differ in kernel (; 6.9).";
    let (json, stderr) = expect(&mut handoff(&["report", &dir, "--format", "json"]), 0);
    assert!(serde_json::from_str::<Value>(&json).unwrap()["mixed"].is_null() && !stderr.contains("mixed"), "{stderr}");
    mix(&dir);
    let (json, stderr) = expect(&mut handoff(&["report", &dir, "--format", "json"]), 0);
    let mixed = &serde_json::from_str::<Value>(&json).unwrap()["mixed"];
    assert_eq!(mixed["environments"], json!([{"id": "e2", "trials": 11}, {"id": "other", "trials": 1}]));
    assert_eq!(mixed["differences"], json!([{"name": "kernel", "values": ["", "6.9"]}]));
    assert!(stderr.contains(words), "{stderr}");
    let (_, stderr) = expect(&mut handoff(&["report", &dir, "--format", "csv"]), 0);
    assert!(stderr.contains(words), "{stderr}");
    let (markdown, _) = expect(&mut handoff(&["report", &dir, "--format", "markdown"]), 0);
    assert!(markdown.contains(&format!("{words} Rows of one cell come from several of them.")), "{markdown}");
    let (text, _) = expect(&mut handoff(&["report", &dir]), 0);
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{text}");
}

#[test]
fn compare_names_the_rows_that_a_difference_touches() {
    let runs = SampleRuns::new();
    let (one, two) = (sample_run("one", &runs), sample_run("two", &runs));
    mix(&two);
    let (text, _) = expect(&mut handoff(&["compare", &one, &two, "--allow-different-environment"]), 0);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("environment differs in ")).collect();
    let row = "artifact 1GiB typical containerd/docker/loopback consumers 1";
    assert_eq!(lines, [format!("environment differs in kernel (;  and 6.9): {row}")], "{text}");
}

#[test]
fn compare_names_disks_that_differ_and_refuses_nothing_for_it() {
    let runs = SampleRuns::new();
    let (one, two) = (sample_run("one", &runs), sample_run("two", &runs));
    let set = |dir: &str, write_ns: u64| {
        edit(dir, |all| {
            all[0]["disk_speed"] = json!({
                "write_bytes": 268_435_456, "write_ns": write_ns, "files": 4096, "file_bytes": 4096, "files_ns": 200_000_000,
            });
        });
    };
    set(&one, 500_000_000);
    set(&two, 500_000_000);
    let compare = |more: &[&str]| expect(handoff(&["compare", &one, &two]).args(more), 0);
    let (_, stderr) = compare(&[]);
    assert_eq!(stderr, "");
    set(&two, 1_000_000_000);
    let (_, stderr) = compare(&[]);
    assert!(stderr.contains("differ by more than 20 %: 512 and 256 MiB/s of sequential write (-50 %)"), "{stderr}");
    let (json, stderr) = compare(&["--format", "json"]);
    assert!(stderr.contains("differ by more than 20 %"), "{stderr}");
    let difference = json!([{"name": "write_mib_per_s", "first": 512.0, "second": 256.0}]);
    for comparison in serde_json::from_str::<Vec<Value>>(&json).unwrap() {
        assert_eq!(comparison["disk_differences"], difference);
    }
    edit(&two, |all| all[0]["disk_speed"] = json!({"not_measured": "no space left"}));
    assert_eq!(compare(&[]).1, "");
    let (text, _) = expect(&mut handoff(&["report", &two, "--format", "markdown"]), 0);
    assert!(text.contains("| jobs' disk, speed | not measured: no space left |"), "{text}");
    record(&one, "sha256:aa", "changed since 0123");
    let (text, _) = expect(&mut handoff(&["report", &one, "--format", "markdown"]), 0);
    assert!(text.contains("| sources | sha256:aa |\n| commit | changed since 0123 |"), "{text}");
    assert!(text.contains("| jobs' disk, sequential write, synced | 512 MiB/s (256 MiB in 0.50 s) |"), "{text}");
    assert!(text.contains("| jobs' disk, small files | 20480 files/s (4096 of 4096 bytes in 0.20 s) |"), "{text}");
}

#[test]
fn command_to_run_again_names_a_preset_only_if_it_lays_out_the_same_trials() {
    let runs = SampleRuns::new();
    let again = |name: &str, matrix: &str| {
        let laid_out = PlanRequest { matrix: Some(matrix.to_owned()), ..request("artifact,rebuild", &["1GiB"], 2) };
        let dir = runs.run(name, laid_out, 2, |_| Some((10.0, 10.0)));
        let text = expect(&mut handoff(&["report", &dir, "--format", "markdown"]), 0).0;
        text.split_once("## To run it again").unwrap().1.to_owned()
    };
    let changed = again("changed", "quick");
    assert!(!changed.contains("handoff run quick"), "{changed}");
    assert!(changed.contains("--strategies artifact,rebuild --rounds 2"), "{changed}");
    let same = "quick --strategies artifact,rebuild --rounds 2 --seed 3 --timeout 60";
    let kept = again("kept", same);
    assert!(kept.contains(&format!("handoff run {same}")), "{kept}");
}

/// Blocks that differ are no options: the report says so, and by what the trials were laid out.
#[test]
fn changed_preset_of_several_blocks_is_named_without_a_command() {
    let runs = SampleRuns::new();
    let mut blocks = PlanRequest { matrix: Some("relay".to_owned()), ..request("artifact,rebuild", &["1GiB"], 2) };
    blocks.merge(&request("artifact", &["2GiB"], 1));
    let dir = runs.run("blocks", blocks, 2, |_| Some((10.0, 10.0)));
    edit(&dir, |all| all[0]["handoff"] = json!("0.1.0 (0123456789ab)"));
    let text = expect(&mut handoff(&["report", &dir, "--format", "markdown"]), 0).0;
    let again = text.split_once("## To run it again").unwrap().1;
    assert!(!again.contains("handoff run relay"), "{again}");
    let expected = "the matrix `relay` is not the one that laid out these trials by handoff 0.1.0 (0123456789ab)";
    assert!(again.contains(expected), "{again}");
}
