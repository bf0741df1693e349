//! What follows from rows, from end to end: folders of made-up rows in, verdicts, documents and workflows out.

use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_model::{Environment, Plan, PlanRequest, StrategySpec, Trial};
use handoff_records::{ConsumerRow, Journal, MeasurementRow, SpanRow};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{expect, handoff};

/// A folder of made-up runs. `HANDOFF_KEEP=DIR` keeps them there, for `scripts/recompute-verdicts`.
pub struct Made {
    dir: PathBuf,
    _temporary: TempDir,
}

impl Made {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let keep = std::env::var_os("HANDOFF_KEEP").map(PathBuf::from);
        Self { dir: keep.unwrap_or_else(|| temporary.path().to_owned()), _temporary: temporary }
    }

    /// A path beside the runs.
    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// A run; `seconds` says what a trial took: producer and consumer, or nothing if it failed.
    pub fn run(
        &self,
        name: &str,
        request: PlanRequest,
        cores: u32,
        seconds: impl Fn(&Trial) -> Option<(f64, f64)>,
    ) -> String {
        let dir = self.dir.join(name);
        let plan = Plan::new(PlanRequest { run_id: name.into(), ..request }).unwrap();
        let environment = Environment { id: format!("e{cores}"), cpu: "Made up".into(), cores, ..Default::default() };
        let mut journal = Journal::create(&dir, &plan, &[environment]).unwrap();
        for trial in &plan.trials {
            let (consumers, spans, row) = rows(trial, cores, seconds(trial));
            journal.append(&consumers, &spans, &row).unwrap();
        }
        dir.display().to_string()
    }
}

pub fn request(strategies: &str, sizes: &[&str], rounds: u32) -> PlanRequest {
    PlanRequest {
        sizes: sizes.iter().map(|s| s.parse().unwrap()).collect(),
        rounds,
        timeout_s: 60,
        seed: 3,
        ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap())
    }
}

fn rows(trial: &Trial, cores: u32, seconds: Option<(f64, f64)>) -> (Vec<ConsumerRow>, Vec<SpanRow>, MeasurementRow) {
    let ns = |s: f64| (s * 1e9).round() as u64;
    let cell = &trial.cell;
    let shares = cell.strategy.name != "rebuild" && seconds.is_none_or(|(produce, _)| produce > 0.0);
    let mut row = json!({
        "schema_version": 1, "trial": trial.id, "round": trial.round, "position": trial.position,
        "strategy": cell.strategy.name, "variant": cell.strategy.variant(), "workload": cell.workload,
        "size_bytes": cell.size.bytes(), "profile": cell.conditions.profile, "engine": cell.conditions.engine,
        "image_store": cell.conditions.image_store, "builder": cell.conditions.builder, "source": "", "client": "",
        "cache_state": cell.conditions.cache_state, "consumers": cell.conditions.consumers, "control": cell.control,
        "environment": format!("e{cores}"), "started_at": "2026-01-01T00:00:00Z", "outcome": "failed",
        "failed_span": "load", "error": "made to fail", "identity_note": "", "seed": 3, "nonce": trial.nonce,
    });
    let Some((produce, consume)) = seconds else {
        return (vec![], vec![], serde_json::from_value(row).unwrap());
    };
    let produce = if shares { produce } else { 0.0 };
    let more = json!({
        "outcome": "completed", "failed_span": "", "error": "", "consume_ns": ns(consume),
        "critical_path_ns": ns(produce) + ns(consume), "runner_ns": ns(produce) + ns(consume), "build_ns": ns(5.0),
        "bytes_stored": if shares { 400_000_000 } else { 0 }, "entries_stored": u64::from(shares),
        "bytes_up": if shares { 400_000_000 } else { 0 }, "bytes_down": 0, "requests": 1, "retries": 0, "connections": 1,
        "content_equal": true, "layers_equal": true, "config_equal": true, "index_equal": false,
    });
    let map = row.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    if shares {
        map.insert("produce_ns".into(), ns(produce).into());
        map.insert("transfer_ns".into(), (ns(produce) + ns(consume) - ns(5.0)).into());
    }
    let consumer = json!({
        "schema_version": 1, "trial": trial.id, "consumer": 1, "consume_ns": ns(consume), "bytes_up": 0,
        "bytes_down": 0, "requests": 1, "retries": 0, "cpu_ns": 1, "peak_memory_bytes": 1, "peak_disk_bytes": 1,
        "content_equal": true, "layers_equal": true, "config_equal": true, "index_equal": false,
    });
    let upload = shares.then(|| {
        json!({
            "schema_version": 1, "trial": trial.id, "side": "producer", "consumer": null, "span": "upload", "detail": "",
            "start_ns": 0, "end_ns": ns(produce), "bytes": 400_000_000,
        })
    });
    let span = json!({
        "schema_version": 1, "trial": trial.id, "side": "consumer", "consumer": 1, "span": "load", "detail": "",
        "start_ns": 0, "end_ns": ns(consume), "bytes": 1_000_000,
    });
    let spans = upload.into_iter().chain([span]).map(|span| serde_json::from_value(span).unwrap()).collect();
    (vec![serde_json::from_value(consumer).unwrap()], spans, serde_json::from_value(row).unwrap())
}

/// Seconds with a wobble that no two trials share.
#[expect(clippy::unnecessary_wraps, reason = "the shape that a made-up run asks for")]
pub fn seconds(trial: &Trial) -> Option<(f64, f64)> {
    let gib = trial.cell.size.bytes() as f64 / f64::from(1 << 30);
    let wobble = f64::from(u32::from_str_radix(&trial.nonce[..4], 16).unwrap()) / 65_536.0;
    Some(match trial.cell.strategy.name.as_str() {
        "rebuild" => (0.0, 30.0 * gib + wobble),
        "gha-cache" => (10.0 * gib, 20.0 * gib + wobble),
        "cache-tar" => (12.0 * gib, 22.0 * gib + 9.0 * wobble),
        _ => (25.0 * gib, 15.0 * gib + wobble),
    })
}

const SOME: &str = "artifact,cache-tar,gha-cache,rebuild";

fn analysis(dirs: &[&str]) -> Value {
    let mut args = vec!["report"];
    args.extend(dirs);
    args.extend(["--format", "json"]);
    serde_json::from_str(&expect(&mut handoff(&args), 0).0).unwrap()
}

/// Without a finding by the linter that looks for what could be misused.
fn zizmor(files: &[PathBuf]) {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/dev-tools");
    let found = Command::new(&tools).output().unwrap();
    assert!(found.status.success(), "scripts/dev-tools: {}", String::from_utf8_lossy(&found.stderr));
    let program = Path::new(String::from_utf8_lossy(&found.stdout).trim()).join("bin/zizmor");
    let out = Command::new(program).args(["--offline", "--quiet", "--no-progress"]).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "zizmor: {said}{}", String::from_utf8_lossy(&out.stderr));
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
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&out.stderr));
}

/// The JSON document of a folder, checked against its schema.
fn document(made: &Made, dir: &str) -> Value {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/analysis.schema.json");
    let text = expect(&mut handoff(&["report", dir, "--format", "json"]), 0).0;
    let file = made.dir.join("document.json");
    std::fs::write(&file, &text).unwrap();
    checked("schema.mjs", &[schema, file]);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_json_document_is_what_its_schema_says() {
    let made = Made::new();
    let control = PlanRequest { control: true, ..request(SOME, &["1GiB", "2GiB"], 8) };
    let eight = made.run("eight", control, 2, |t| if t.id.contains("artifact-2GiB-r3") { None } else { seconds(t) });
    let all = document(&made, &eight);
    let comparisons = all["analysis"]["groups"][0]["families"][0]["comparisons"].as_array().unwrap();
    let words: Vec<&str> = comparisons.iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert_eq!(words, ["slower", "slower", "equivalent"], "{comparisons:?}");
    let csv = expect(&mut handoff(&["report", &eight, "--format", "csv"]), 0).0;
    // Two sizes, each with three comparisons against the reference and six pairs.
    assert_eq!(csv.lines().count(), 1 + 2 * (3 + 6));
    assert!(csv.contains(",slower,") && csv.contains(",equivalent,"), "{csv}");

    // Nothing completed, one strategy, one round: each is a document too.
    for (name, strategies, rounds) in [("none", SOME, 1), ("alone", "artifact", 1), ("once", SOME, 1)] {
        let odd = made.run(name, request(strategies, &["1GiB"], rounds), 2, |t| seconds(t).filter(|_| name != "none"));
        document(&made, &odd);
    }
}

#[test]
fn folders_merge_with_their_provenance_and_never_twice() {
    let made = Made::new();
    let one = made.run("one", request(SOME, &["1GiB"], 4), 2, seconds);
    let two = made.run("two", request(SOME, &["1GiB"], 4), 2, seconds);
    let document = analysis(&[&one, &two]);
    let runs: Vec<&str> =
        document["provenance"].as_array().unwrap().iter().map(|p| p["run"].as_str().unwrap()).collect();
    assert_eq!(runs, ["one", "two"]);
    assert_eq!(document["analysis"]["groups"][0]["cells"][0]["n"], 8);
    let (_, stderr) = expect(&mut handoff(&["report", &one, &one, "--format", "json"]), 2);
    assert!(stderr.starts_with("error: trial ") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn compare_says_what_changed_and_fails_when_asked() {
    let made = Made::new();
    let before = made.run("before", request(SOME, &["1GiB"], 8), 2, seconds);
    let slow = |t: &Trial| seconds(t).map(|(p, c)| (p, c + if t.cell.strategy.name == "artifact" { 8.0 } else { 0.0 }));
    let after = made.run("after", request(SOME, &["1GiB"], 8), 2, slow);
    let compare = |args: &[&str], code: i32| {
        let mut all = vec!["compare", &before, &after];
        all.extend(args);
        expect(&mut handoff(&all), code)
    };
    let (text, _) = compare(&[], 0);
    assert!(text.contains("artifact 1GiB typical") && text.contains(": slower, critical path +"), "{text}");
    compare(&["--fail-on", "slower"], 1);
    compare(&["--fail-on", "faster"], 0);
    let (json, _) = compare(&["--format", "json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()[0]["verdict"], "slower");

    let elsewhere = made.run("elsewhere", request(SOME, &["1GiB"], 8), 4, seconds);
    let (_, stderr) = expect(&mut handoff(&["compare", &before, &elsewhere]), 2);
    assert!(stderr.contains("differ in cores (2; 4)") && stderr.contains("--allow-different-environment"), "{stderr}");
    expect(&mut handoff(&["compare", &before, &elsewhere, "--allow-different-environment"]), 0);
    let other = made.run("other-size", request(SOME, &["2GiB"], 2), 2, seconds);
    let (_, stderr) = expect(&mut handoff(&["compare", &before, &other]), 2);
    assert!(stderr.contains("no cell in common"), "{stderr}");
}

#[test]
fn every_recommended_workflow_passes_the_linters() {
    let made = Made::new();
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
        let alone = made.run(&format!("alone-{i}"), request(strategy, &["1GiB"], 2), 2, seconds);
        for consumers in ["1", "11"] {
            let ask = ["--consumers", consumers, "--pushes-per-day", "5", "--image-size", "1GiB"];
            let (text, _) = expect(handoff(&["recommend", &alone]).args(ask), 0);
            assert!(text.starts_with(&format!("# Recommended: {strategy} for {consumers} job")), "{text}");
            files.push(made.dir.join(format!("alone-{i}-{consumers}.yml")));
            std::fs::write(files.last().unwrap(), text).unwrap();
        }
    }
    // The committed runs, too.
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results");
    let mut runs = 0;
    for run in std::fs::read_dir(results).unwrap().flatten().filter(|e| e.path().is_dir()) {
        let ask = ["--consumers", "11", "--pushes-per-day", "5", "--image-size", "1GiB"];
        let (text, _) = expect(handoff(&["recommend"]).arg(run.path()).args(ask), 0);
        files.push(made.dir.join(format!("committed-{runs}.yml")));
        std::fs::write(files.last().unwrap(), text).unwrap();
        runs += 1;
    }
    assert!(runs >= 2, "{results}");
    checked("lint.mjs", &files);
    zizmor(&files);
    let wrong = made.dir.join("wrong.yml");
    std::fs::write(&wrong, "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    stepz: []\n").unwrap();
    let caught = std::panic::catch_unwind(|| checked("lint.mjs", std::slice::from_ref(&wrong)));
    assert!(caught.is_err(), "the checkers let a wrong file through");
}

#[test]
fn the_recommendation_follows_the_question() {
    let made = Made::new();
    let apart = |t: &Trial| {
        let (produce, consume) = seconds(t)?;
        let more = if t.cell.strategy.name == "gha-cache" { 4.0 } else { 3.0 };
        Some((produce + more, consume))
    };
    let dir = made.run("all", request(SOME, &["1GiB"], 8), 2, apart);
    let answer = |more: &[&str]| -> Value {
        let mut args = vec!["recommend", &dir, "--image-size", "1GiB", "--format", "json"];
        args.extend(more);
        serde_json::from_str(&expect(&mut handoff(&args), 0).0).unwrap()
    };
    // gha-cache 14 + 20 n, artifact 28 + 15 n, rebuild 30 n, and up to a second of wobble each.
    assert_eq!(answer(&["--consumers", "1", "--pushes-per-day", "5"])["chosen"], "rebuild");
    assert_eq!(answer(&["--consumers", "2", "--pushes-per-day", "5"])["chosen"], "gha-cache");
    let many = answer(&["--consumers", "11", "--pushes-per-day", "5"]);
    assert_eq!(many["chosen"], "artifact");
    let changes = many["changes"].to_string();
    assert!(changes.contains(" jobs: gha-cache") && changes.contains("with a single job: rebuild"), "{changes}");
    assert_eq!(answer(&["--consumers", "11", "--pushes-per-day", "5", "--goal", "wait"])["chosen"], "rebuild");
    let sharing = answer(&["--consumers", "11", "--pushes-per-day", "5", "--goal", "wait", "--sharing"]);
    assert_eq!(sharing["chosen"], "gha-cache");
    let busy = answer(&["--consumers", "2", "--pushes-per-day", "5000"]);
    assert_ne!(busy["chosen"], "gha-cache", "its cache entries would not live for an hour");
    let small = answer(&["--consumers", "11", "--pushes-per-day", "50", "--plan", "free"]);
    assert_ne!(small["chosen"], "artifact", "a day's artifacts would not fit");
    let refused = |args: &[&str], part: &str| {
        let all = ["recommend", &dir, "--image-size", "1GiB", "--pushes-per-day", "1"];
        let (_, stderr) = expect(handoff(&all).args(args), 2);
        assert!(stderr.contains(part), "{stderr}");
    };
    refused(&["--consumers", "0"], "1 to 256");
    refused(&["--consumers", "2", "--plan", "tem"], "did you mean `team`");
    refused(&["--consumers", "2", "--profile", "nothing"], "use one of loopback");
}
