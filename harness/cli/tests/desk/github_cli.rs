//! GitHub runs from the desk: `dispatch`, `collect`, and the clean-up of cells, against a stand-in of GitHub's API.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handoff_github::side::{CellJob, Readings, SideFile};
use handoff_model::{Environment, Failure, ImageIdentity, Outcome, Side, SideUsage, Span, SpanKind};
use handoff_records::Results;
use serde_json::{Value, json};

use crate::github_api::{Artifact, Fault, GitHub, RUN, job};
use crate::support::{Made, expect, handoff, request};

/// A desk: a folder, a stand-in, and what a run on it leaves.
struct Desk {
    github: GitHub,
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { github: GitHub::new(), dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A verb as a person at the desk types it; waits are a thousandth of what they are.
    fn verb(&self, args: &[&str]) -> Command {
        let mut command = handoff(args);
        command.current_dir(self.dir.path()).env("HANDOFF_API_URL", &self.github.api).env("HANDOFF_API_SECOND_MS", "1");
        command.env("GH_TOKEN", "of-the-desk").env_remove("GITHUB_REPOSITORY").env_remove("GITHUB_RUN_ID");
        command
    }

    fn dispatch(&self, more: &[&str], code: i32) -> (String, String) {
        expect(self.verb(&["dispatch", "--repo", "you/handoff"]).args(more), code)
    }

    fn collect(&self, code: i32) -> (String, String) {
        let run = RUN.to_string();
        expect(&mut self.verb(&["collect", "--repo", "you/handoff", "--run-id", &run, "--out", "rows"]), code)
    }

    fn rows(&self, name: &str) -> Results {
        Results::read(&self.path(name)).unwrap()
    }

    /// What the run's first job leaves for these inputs: by the same verb that it calls.
    fn plan(&self, inputs: &[(&str, &str)]) -> Vec<CellJob> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = handoff(&["plan", "--github", "--out", "handoff-plan"]);
        command.current_dir(dir.path());
        for (name, value) in inputs {
            command.env(format!("HANDOFF_INPUT_{}", name.to_uppercase()), value);
        }
        expect(&mut command, 0);
        let folder = dir.path().join("handoff-plan");
        self.keep("handoff-plan", &zip(&folder, &["plan.json", "cells.json", "plan.txt"]));
        serde_json::from_slice(&std::fs::read(folder.join("cells.json")).unwrap()).unwrap()
    }

    fn keep(&self, name: &str, zip: &[u8]) {
        let artifact = Artifact { name: name.to_owned(), zip: zip.to_vec(), expired: false };
        self.github.state().artifacts.push(artifact);
    }

    /// A run of these inputs in which all went well.
    fn ran(&self, inputs: &[(&str, &str)]) {
        for cell in self.plan(inputs) {
            self.sides(&cell);
        }
    }

    /// What the jobs of a cell leave when all goes well.
    fn sides(&self, cell: &CellJob) {
        self.side(cell, Side::Producer, None);
        for consumer in &cell.consumers {
            self.side(cell, Side::Consumer, None);
            self.job(&format!("{} / consumer {consumer}", cell.id), "success");
        }
        self.job(&format!("{} / producer", cell.id), "success");
        self.job(&format!("{} / clean up", cell.id), "success");
    }

    fn job(&self, name: &str, conclusion: &str) {
        self.github.state().jobs.push(job(name, 5, conclusion));
    }

    fn side(&self, cell: &CellJob, side: Side, failure: Option<Failure>) {
        let consumer = (side == Side::Consumer).then_some(1);
        // Only what arrived is compared with what is known beforehand.
        let content = consumer.map(|_| cell.image_spec().unwrap().content_digest().unwrap());
        let file = SideFile {
            trial: cell.id.clone(),
            side,
            consumer,
            started_at: "2026-01-01T12:00:05Z".to_owned(),
            environment: Environment { id: "runner".to_owned(), cores: 4, ..Environment::default() },
            image_store: "overlay2".to_owned(),
            start: Readings::default(),
            failure,
            wall_ns: if side == Side::Producer { 9_000_000_000 } else { 4_000_000_000 },
            spans: vec![Span {
                kind: SpanKind::Command,
                detail: "a step".to_owned(),
                start_ns: 1,
                end_ns: 2,
                bytes: None,
            }],
            executed: vec![],
            cached: vec![],
            traced: true,
            cache_layers: vec![],
            usage: SideUsage::default(),
            identity: ImageIdentity {
                config: Some("sha256:c".to_owned()),
                layers: Some(vec!["sha256:l".to_owned()]),
                content,
                ..ImageIdentity::default()
            },
            source: "output".to_owned(),
            client: "actions/upload-artifact".to_owned(),
        };
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("side.json"), serde_json::to_vec(&file).unwrap()).unwrap();
        let which = consumer.map_or_else(|| "producer".to_owned(), |c| c.to_string());
        self.keep(&format!("handoff-side-{}-{which}", cell.id), &zip(dir.path(), &["side.json"]));
    }

    fn fault(&self, method: &'static str, path: &'static str, fault: Fault) {
        self.github.state().faults.push((method, path, fault));
    }
}

fn zip(dir: &Path, names: &[&str]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&std::fs::read(dir.join(name)).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An error is one line, and says these.
fn one_line(stderr: &str, parts: &[&str]) {
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    for part in parts {
        assert!(errors[0].contains(part), "{part}: {stderr}");
    }
}

const API: &str = "/repos/you/handoff";
const RUNS: &str = "/repos/you/handoff/actions/runs/";
const SMALL: [(&str, &str); 3] = [("sizes", "64MiB"), ("strategies", "artifact,cache-tar"), ("rounds", "1")];

#[test]
fn a_dispatched_run_is_watched_and_its_rows_are_fetched() {
    for tells_run in [true, false] {
        let desk = Desk::new();
        desk.github.state().tells_run = tells_run;
        desk.ran(&SMALL);
        let args = ["--sizes", "64MiB", "--strategies", "artifact,cache-tar", "--rounds", "1", "--runner", "big"];
        let (stdout, stderr) = desk.dispatch(&args, 0);
        assert_eq!(stdout.trim(), RUN.to_string());
        assert!(stderr.contains(&format!("handoff collect --repo you/handoff --run-id {RUN}")), "{stderr}");
        assert!(stderr.contains("/ producer (6 of 6 jobs"), "{stderr}");
        let seen = desk.github.state().seen.clone();
        let posted = seen.iter().find(|s| s.method == "POST").unwrap();
        assert_eq!(posted.body["ref"], "trunk");
        let inputs = json!({ "sizes": "64MiB", "strategies": "artifact,cache-tar", "rounds": "1", "runner": "big" });
        assert_eq!(posted.body["inputs"], inputs);
        assert_eq!(seen.iter().filter(|s| s.method == "POST").count(), 1);
        // The token is for the API; where the bytes lie, a signed address is enough.
        let (signed, asked): (Vec<_>, Vec<_>) = seen.iter().partition(|s| s.path.starts_with("/signed/"));
        assert!(signed.len() == 5 && signed.iter().all(|s| s.token.is_none()), "{signed:?}");
        assert!(asked.iter().all(|s| s.token.as_deref() == Some("Bearer of-the-desk")), "{asked:?}");

        let rows = desk.rows(&format!("results/github-{RUN}"));
        assert_eq!(rows.measurements.len(), 2);
        for row in &rows.measurements {
            assert_eq!((row.outcome, row.profile.as_str()), (Outcome::Completed, "github"), "{}", row.error);
            assert_eq!(row.critical_path_ns, Some(13_000_000_000));
            assert_eq!(row.queue_ns, Some(10_000_000_000), "five seconds a job");
            assert_eq!((row.bytes_up, row.requests), (None, None), "nobody counted them");
        }
        expect(&mut desk.verb(&["report", &format!("results/github-{RUN}")]), 0);
    }
}

#[test]
fn github_and_local_rows_stand_side_by_side_and_are_never_compared() {
    let desk = Desk::new();
    desk.ran(&[("sizes", "64MiB"), ("strategies", "artifact,cache-tar"), ("rounds", "2"), ("builder", "docker")]);
    desk.github.state().runs.push(RUN);
    desk.collect(0);
    let github = desk.path("rows").display().to_string();
    let made = Made::new();
    let local = made.run("local", request("artifact,cache-tar", &["64MiB"], 2), 2, |_| Some((9.0, 6.0)));
    expect(&mut desk.verb(&["report", &github, &local, "--out", "both"]), 0);
    let text = std::fs::read_to_string(desk.path("both/report.md")).unwrap();
    for part in [
        "Workload typical, 64MiB, profile github, overlay2 store, host engine",
        "Workload typical, 64MiB, profile loopback, containerd store, private engine",
        "only profile `github` is GitHub's",
        "8 trials planned, 8 completed",
        "environments are mixed here",
        "Each cell has rows of one.",
        "handoff dispatch --repo OWNER/NAME --sizes 64MiB --strategies artifact,cache-tar --rounds 2",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (json, _) = expect(&mut desk.verb(&["report", &github, &local, "--format", "json"]), 0);
    let document: Value = serde_json::from_str(&json).unwrap();
    let groups = document["analysis"]["groups"].as_array().unwrap();
    let profiles: Vec<&Value> = groups.iter().map(|g| &g["key"]["conditions"]["profile"]).collect();
    assert_eq!(profiles.len(), 2, "{profiles:?}");
    assert_ne!(profiles[0], profiles[1]);
    let (_, stderr) = expect(&mut desk.verb(&["compare", &github, &local]), 2);
    one_line(&stderr, &["differ in"]);
}

#[test]
fn what_the_combined_cache_action_saves_afterwards_is_timed_by_the_jobs_api() {
    let desk = Desk::new();
    let combined = [("sizes", "64MiB"), ("strategies", "cache-tar:action=combined"), ("rounds", "1")];
    let cell = desk.plan(&combined).remove(0);
    desk.side(&cell, Side::Producer, None);
    desk.side(&cell, Side::Consumer, None);
    let mut producer = job(&format!("{} / producer", cell.id), 5, "success");
    let step = |name: &str, from: u32, to: u32| {
        let at = |s: u32| format!("2026-01-01T12:01:{s:02}Z");
        json!({ "name": name, "status": "completed", "started_at": at(from), "completed_at": at(to) })
    };
    producer["steps"] = json!([step("cache-tar: cache", 0, 1), step("Post cache-tar: cache", 10, 17)]);
    desk.github.state().jobs = vec![producer.clone(), job(&format!("{} / consumer 1", cell.id), 5, "success")];
    desk.github.state().runs.push(RUN);
    desk.collect(0);
    let rows = desk.rows("rows");
    assert_eq!(rows.measurements[0].produce_ns, Some(16_000_000_000), "nine seconds by marks, seven by the API");
    assert_eq!(rows.measurements[0].critical_path_ns, Some(20_000_000_000));
    let detail = "Post cache-tar: cache (jobs API, to the second)";
    assert!(rows.spans.iter().any(|s| s.detail == detail && s.end_ns - s.start_ns == 7_000_000_000));

    // What nobody has timed is no time.
    producer["steps"] = json!([step("cache-tar: cache", 0, 1)]);
    desk.github.state().jobs[0] = producer;
    std::fs::remove_dir_all(desk.path("rows")).unwrap();
    desk.collect(1);
    let row = &desk.rows("rows").measurements[0];
    assert!(row.error.contains("`Post cache-tar: cache` is timed by GitHub's jobs API only"), "{}", row.error);
    assert_eq!(row.critical_path_ns, None);
    let local = ["plan", "--sizes", "64MiB", "--strategies", "cache-tar:action=combined"];
    let (_, stderr) = expect(&mut desk.verb(&local), 2);
    one_line(&stderr, &["action"]);
}

#[test]
fn a_server_that_does_not_know_the_question_is_asked_without_it() {
    let desk = Desk::new();
    desk.ran(&SMALL);
    desk.github.state().tells_run = false;
    let refused = Fault::Answer(422, vec![], "Invalid request. \"return_run_details\" is not a permitted key.");
    desk.fault("POST", API, refused);
    desk.dispatch(&[], 0);
    assert_eq!(desk.github.count("POST", API), 2);
}

#[test]
fn what_was_closed_is_picked_up_and_what_failed_is_a_row() {
    let desk = Desk::new();
    let cells = desk.plan(&SMALL);
    desk.side(&cells[0], Side::Producer, Some(Failure::new("upload", "the artifact service said 503")));
    desk.job(&format!("{} / producer", cells[0].id), "failure");
    desk.job(&format!("{} / consumer 1", cells[0].id), "skipped");
    // Its runner was lost: no file at all.
    desk.job(&format!("{} / producer", cells[1].id), "timed_out");
    desk.github.state().looks = usize::MAX;
    desk.github.state().conclusion = "failure";
    let mut child =
        desk.verb(&["dispatch", "--repo", "you/handoff"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while desk.github.count("GET", &format!("{RUNS}{RUN}/jobs")) < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it did not wait");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    desk.github.state().looks = 1;
    let (_, stderr) = desk.collect(1);
    assert!(stderr.contains("0 trials completed, 2 failed, 0 not started"), "{stderr}");
    let rows = desk.rows("rows").measurements;
    let found: BTreeMap<&str, (Outcome, &str)> =
        rows.iter().map(|r| (r.trial.as_str(), (r.outcome, r.error.as_str()))).collect();
    assert_eq!(found[cells[0].id.as_str()], (Outcome::Failed, "the artifact service said 503"));
    let (outcome, error) = found[cells[1].id.as_str()];
    assert!(outcome == Outcome::TimedOut && error.contains("no marks") && error.contains("timed_out"), "{error}");
    assert!(rows.iter().all(|r| r.critical_path_ns.is_none()));
    // The same run again adds nothing.
    desk.collect(0);
    assert_eq!(desk.rows("rows").measurements.len(), 2);
}

#[test]
fn what_a_cancelled_run_lacks_is_dispatched_again() {
    let desk = Desk::new();
    let cells = desk.plan(&SMALL);
    desk.sides(&cells[0]);
    desk.job(&format!("{} / producer", cells[1].id), "cancelled");
    desk.github.state().conclusion = "cancelled";
    let (_, stderr) = desk.dispatch(&["--out", "rows"], 0);
    assert!(stderr.contains("ended: cancelled"), "{stderr}");
    assert!(stderr.contains("1 trials completed, 0 failed, 1 not started"), "{stderr}");

    // The second run knows nothing of the first but its inputs, and makes the same plan of them.
    let inputs = {
        let (looked, _) = desk.dispatch(&["--outstanding", "--out", "rows", "--no-wait"], 0);
        assert_eq!(looked.trim(), (RUN + 1).to_string());
        desk.github.state().seen.iter().rfind(|s| s.method == "POST").unwrap().body["inputs"].clone()
    };
    assert_eq!(inputs["only"], Value::from(cells[1].id.as_str()));
    desk.github.state().artifacts.clear();
    desk.github.state().jobs.clear();
    let inputs: Vec<(&str, &str)> =
        inputs.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let again = desk.plan(&inputs);
    assert_eq!(again.iter().map(|c| &c.id).collect::<Vec<_>>(), [&cells[1].id]);
    desk.sides(&again[0]);
    desk.github.state().conclusion = "success";
    let run = (RUN + 1).to_string();
    expect(&mut desk.verb(&["collect", "--repo", "you/handoff", "--run-id", &run, "--out", "rows"]), 0);
    let rows = desk.rows("rows").measurements;
    assert_eq!(rows.iter().filter(|r| r.outcome == Outcome::Completed).count(), 2);
    let (_, stderr) = desk.dispatch(&["--outstanding", "--out", "rows"], 0);
    assert!(stderr.contains("nothing is outstanding"), "{stderr}");
    // Rows of another plan do not go into the same folder.
    desk.github.state().artifacts.clear();
    desk.plan(&[("sizes", "96MiB"), ("strategies", "artifact"), ("rounds", "1")]);
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["rows holds another plan"]);
}

#[test]
fn every_page_of_a_list_is_read() {
    let desk = Desk::new();
    let cells = desk.plan(&[("sizes", "64MiB"), ("strategies", "artifact"), ("rounds", "120")]);
    assert_eq!(cells.len(), 120);
    for cell in &cells {
        desk.side(cell, Side::Producer, Some(Failure::new("upload", "no room")));
        for job in ["producer", "consumer 1"] {
            desk.job(&format!("{} / {job}", cell.id), "failure");
        }
    }
    desk.github.state().runs.push(RUN);
    desk.collect(1);
    let rows = desk.rows("rows").measurements;
    assert!(rows.len() == 120 && rows.iter().all(|r| r.error == "no room"));
    let pages = |list: &str| desk.github.count("GET", &format!("{RUNS}{RUN}/{list}"));
    assert_eq!(pages("artifacts"), 2, "121 artifacts");
    assert_eq!(pages("jobs") % 3, 0, "240 jobs");
}

#[test]
fn limits_and_faults_that_pass_are_waited_for() {
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2;
    let desk = Desk::new();
    desk.ran(&SMALL);
    desk.github.state().runs.push(RUN);
    let of_run = "/repos/you/handoff/actions/runs/4711";
    let none_left = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", soon.to_string())];
    for (path, fault) in [
        (of_run, Fault::Answer(429, vec![("retry-after", "3".to_owned())], "Too Many Requests")),
        (of_run, Fault::Answer(403, none_left, "API rate limit exceeded")),
        (of_run, Fault::Answer(403, vec![], "You have exceeded a secondary rate limit")),
        (of_run, Fault::Answer(502, vec![], "Bad Gateway")),
        ("/repos/you/handoff/actions/artifacts/", Fault::Reset),
        ("/repos/you/handoff/actions/artifacts/", Fault::Answer(503, vec![], "Service Unavailable")),
    ] {
        desk.fault("GET", path, fault);
    }
    desk.collect(0);
    assert_eq!(desk.rows("rows").measurements.len(), 2);
    assert!(desk.github.state().faults.is_empty(), "{:?}", desk.github.state().faults);
}

#[test]
fn what_does_not_pass_is_one_line_with_its_mend() {
    let later = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_000;
    let spent = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", later.to_string())];
    let dispatches = "/repos/you/handoff/actions/workflows/handoff.yml/dispatches";
    let cases: [(&str, &str, Fault, i32, &[&str]); 6] = [
        ("GET", API, Fault::Answer(401, vec![], "Bad credentials"), 2, &["Bad credentials", "token needs"]),
        ("POST", dispatches, Fault::Answer(403, vec![], "Resource not accessible"), 2, &["actions: write"]),
        ("POST", dispatches, Fault::Answer(422, vec![], "No ref found for: nope"), 4, &["No ref found for: nope"]),
        ("GET", API, Fault::Answer(404, vec![], "Not Found"), 2, &["you/handoff", "404"]),
        ("GET", API, Fault::Answer(403, spent, "API rate limit exceeded"), 4, &["rate limit", " s"]),
        ("GET", API, Fault::Garbage, 4, &["you/handoff"]),
    ];
    for (method, path, fault, code, parts) in cases {
        let desk = Desk::new();
        desk.fault(method, path, fault.clone());
        let (_, stderr) = desk.dispatch(&["--sizes", "64MiB"], code);
        one_line(&stderr, parts);
        assert!(desk.github.state().runs.len() == 1, "{fault:?} started a run");
    }

    // A start that nobody heard of is not repeated: it could run twice.
    let desk = Desk::new();
    desk.fault("POST", dispatches, Fault::Reset);
    let (_, stderr) = desk.dispatch(&[], 4);
    one_line(&stderr, &["starting `handoff.yml`"]);
    assert_eq!(desk.github.count("POST", API), 1);

    // A server that stays broken is given up, and the run that goes on is named.
    let desk = Desk::new();
    for _ in 0..5 {
        desk.fault("GET", "/repos/you/handoff/actions/runs/4711/jobs", Fault::Answer(500, vec![], "oops"));
    }
    let (_, stderr) = desk.dispatch(&[], 4);
    one_line(&stderr, &["500", "oops"]);
    assert!(stderr.contains("the run goes on without this: handoff collect"), "{stderr}");

    let desk = Desk::new();
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["run 4711 in `you/handoff`"]);
    let (_, stderr) = expect(desk.verb(&["dispatch", "--repo", "handoff"]).env_remove("GH_TOKEN"), 2);
    one_line(&stderr, &["GH_TOKEN", "gh auth login"]);
    let (_, stderr) = expect(&mut desk.verb(&["dispatch", "--repo", "you/hand off"]), 2);
    one_line(&stderr, &["OWNER/NAME"]);
}

#[test]
fn what_has_expired_or_never_was_is_named() {
    let desk = Desk::new();
    desk.github.state().runs.push(RUN);
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["run 4711 left no plan"]);
    let cells = desk.plan(&SMALL);
    for cell in &cells {
        desk.sides(cell);
    }
    desk.fault("GET", "/repos/you/handoff/actions/artifacts/0/", Fault::Answer(410, vec![], "Gone"));
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["artifact `handoff-plan` of run 4711", "expired"]);
    desk.github.state().artifacts[1].expired = true;
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &[&format!("artifact `handoff-side-{}-producer`", cells[0].id), "expired"]);
    assert!(!desk.path("rows").exists());
}

#[test]
fn a_cell_removes_what_it_has_stored_and_nothing_else() {
    let desk = Desk::new();
    let cell = desk.plan(&SMALL).remove(0);
    desk.github.state().artifacts.clear();
    desk.keep("of-another", b"");
    desk.keep(&cell.name, b"");
    let layer = "ab".repeat(32);
    let keys = [format!("image-{}", cell.name), format!("buildkit-blob-1-sha256:{layer}"), "npm-linux".to_owned()];
    // More entries than a page holds, ours among the last.
    let others = (0..150).map(|n| (n, format!("other-{n}")));
    desk.github.state().caches = others.chain(keys.into_iter().enumerate().map(|(n, k)| (200 + n as u64, k))).collect();
    let sides = desk.path("sides");
    std::fs::create_dir_all(&sides).unwrap();
    desk.side(&cell, Side::Producer, None);
    let kept = desk.github.state().artifacts.pop().unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(kept.zip)).unwrap();
    let mut file: Value = serde_json::from_reader(archive.by_name("side.json").unwrap()).unwrap();
    file["cache_layers"] = json!([layer]);
    std::fs::write(sides.join("side.json"), file.to_string()).unwrap();
    let clean = |token: bool| {
        let mut command = desk.verb(&["github", "clean", "sides"]);
        command.env("HANDOFF_CELL", serde_json::to_string(&cell).unwrap());
        command.env("GITHUB_REPOSITORY", "you/handoff").env("GITHUB_RUN_ID", RUN.to_string());
        if !token {
            command.env_remove("GH_TOKEN");
        }
        expect(&mut command, 0).1
    };
    assert!(clean(false).contains("nothing is removed"));
    assert!(desk.github.state().deleted.is_empty());
    let said = clean(true);
    assert!(said.contains("removed 1 artifacts and 2 cache entries"), "{said}");
    assert_eq!(desk.github.state().deleted, ["artifacts/1", "caches/200", "caches/201"]);
}

#[test]
fn a_measured_link_is_a_profile_that_a_run_takes() {
    let desk = Desk::new();
    let mut serve = handoff(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let variables: Vec<(String, String)> = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|l| l.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())))
        .take_while(|(name, _)| name != "NODE_OPTIONS")
        .collect();
    let mut calibrate = desk.verb(&["github", "calibrate"]);
    calibrate.envs(variables).env("HANDOFF_INPUT_MEGABYTES", "16").env("HANDOFF_INPUT_REPEATS", "2");
    calibrate.env("HANDOFF_INPUT_RUNNER", "ubuntu\"-24.04");
    let (table, _) = expect(&mut calibrate, 0);
    serve.kill().unwrap();
    serve.wait().unwrap();
    for figure in
        ["up, 1 connection", "up, 5 connections", "up, 32 connections", "down, 8 ranged GETs", "call of the service"]
    {
        assert!(table.contains(figure), "{figure}: {table}");
    }
    let profile = "handoff-profile/measured.toml";
    let (text, _) = expect(&mut desk.verb(&["profiles", profile]), 0);
    assert!(text.contains("runner ubuntu-24.04") && text.contains("iB/s"), "{text}");
    assert!(text.contains(", measured") && text.contains(", assumed") && !text.contains(", published"), "{text}");
    let (plan, _) = expect(&mut desk.verb(&["plan", "--sizes", "64MiB", "--rounds", "1", "--profile", profile]), 0);
    assert!(plan.contains("measured"), "{plan}");
}
