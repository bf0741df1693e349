//! Files for other programs, checked by linters that need Node and the environment of scripts/dev-tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_model::PlanRequest;
use serde_json::Value;

use crate::kit::{expect, handoff};
use crate::support::{SampleRuns, request, seconds};

const SOME: &str = "artifact,cache-tar,gha-cache,rebuild";

/// Without a finding by the linter that looks for what could be misused.
fn zizmor(files: &[PathBuf]) {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/dev-tools");
    let found = Command::new(&tools).output().unwrap();
    assert!(found.status.success(), "scripts/dev-tools: {}", String::from_utf8_lossy(&found.stderr));
    let program = Path::new(String::from_utf8_lossy(&found.stdout).trim()).join("bin/zizmor");
    let out = Command::new(program).args(["--offline", "--quiet", "--no-progress"]).args(files).output().unwrap();
    let output = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "zizmor: {output}{}", String::from_utf8_lossy(&out.stderr));
}

/// Runs one of the checkers of workflows/lint on files.
fn checked(script: &str, files: &[PathBuf]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/lint");
    assert!(
        dir.join("node_modules").exists(),
        "the checkers lack their packages: npm ci --ignore-scripts --prefix workflows/lint"
    );
    let out = Command::new("node")
        .arg(dir.join(script))
        .args(files)
        .output()
        .expect("node: run `make setup`, and the tests through scripts/with-env");
    let output = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{script}: {output}{}", String::from_utf8_lossy(&out.stderr));
}

/// The JSON document of a folder, checked against its schema.
fn document(samples: &SampleRuns, dir: &str) -> Value {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/analysis.schema.json");
    let text = expect(&mut handoff(&["report", dir, "--format", "json"]), 0).0;
    let file = samples.dir.join("document.json");
    std::fs::write(&file, &text).unwrap();
    checked("schema.mjs", &[schema, file]);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn json_document_matches_its_schema() {
    let samples = SampleRuns::new();
    let control = PlanRequest { control: true, ..request(SOME, &["1GiB", "2GiB"], 8) };
    let eight = samples.run("eight", control, 2, |t| if t.id.contains("artifact-2GiB-r3") { None } else { seconds(t) });
    let all = document(&samples, &eight);
    let comparisons = all["analysis"]["groups"][0]["families"][0]["comparisons"].as_array().unwrap();
    let words: Vec<&str> = comparisons.iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert_eq!(words, ["slower", "slower", "equivalent"], "{comparisons:?}");
    let csv = expect(&mut handoff(&["report", &eight, "--format", "csv"]), 0).0;
    // Two sizes, each with three comparisons against the reference and six pairs.
    assert_eq!(csv.lines().count(), 1 + 2 * (3 + 6));
    assert!(csv.contains(",slower,") && csv.contains(",equivalent,"), "{csv}");

    // Nothing completed, one strategy, one round: each is a document too.
    for (name, strategies, rounds) in [("none", SOME, 1), ("alone", "artifact", 1), ("once", SOME, 1)] {
        let odd =
            samples.run(name, request(strategies, &["1GiB"], rounds), 2, |t| seconds(t).filter(|_| name != "none"));
        document(&samples, &odd);
    }
}

#[test]
fn every_recommended_workflow_passes_the_linters() {
    let samples = SampleRuns::new();
    let mut files = Vec::new();
    let variants = [
        "artifact:archive=false,concurrency=32,layers=zstd-1",
        "artifact:compress=gzip,source=save",
        "cache-tar:compress=zstd,layers=uncompressed",
        "gha-cache:producer-load=true",
        "local-cache:compression=zstd-1,mode=min",
        "zstd-stream:client=lhotari,dir=/tree",
        "zstd-stream:client=lhotari,dir=/tree,layers=zstd,source=output",
        "relay:level=3,store=cache",
        "relay:source=push",
    ];
    for (i, strategy) in
        ["artifact", "cache-tar", "gha-cache", "local-cache", "relay", "rebuild"].iter().chain(&variants).enumerate()
    {
        let alone = samples.run(&format!("alone-{i}"), request(strategy, &["1GiB"], 2), 2, seconds);
        for consumers in ["1", "11"] {
            let ask = ["--consumers", consumers, "--pushes-per-day", "5", "--image-size", "1GiB"];
            let (text, _) = expect(handoff(&["recommend", &alone]).args(ask), 0);
            assert!(text.starts_with(&format!("# Recommended: {strategy} for {consumers} job")), "{text}");
            files.push(samples.dir.join(format!("alone-{i}-{consumers}.yml")));
            std::fs::write(files.last().unwrap(), text).unwrap();
        }
    }
    checked("lint.mjs", &files);
    zizmor(&files);
    let wrong = samples.dir.join("wrong.yml");
    std::fs::write(&wrong, "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    stepz: []\n").unwrap();
    let caught = std::panic::catch_unwind(|| checked("lint.mjs", std::slice::from_ref(&wrong)));
    assert!(caught.is_err(), "the checkers let a wrong file through");
}
