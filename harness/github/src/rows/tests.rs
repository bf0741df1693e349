//! Tests of the rows of a run on GitHub.

use std::fs;
use std::path::Path;

use handoff_model::{
    Builder, Conditions, EngineKind, Environment, ImageIdentity, ImageStore, PlanRequest, RoleUsage, StrategySpec,
};
use handoff_records::Results;
use handoff_records::{ConsumerRow, MeasurementRow};

use super::*;
use crate::cell::cells;
use crate::job::{Readings, read_files};

/// Plan of one trial with two consumers, and its cell.
fn plan() -> (Plan, CellJob) {
    let conditions = Conditions {
        engine: EngineKind::Host,
        image_store: ImageStore::Overlay2,
        builder: Builder::DockerContainer,
        profile: handoff_model::conditions::GITHUB.to_owned(),
        consumers: 2,
        consumer_concurrency: 2,
        ..Conditions::default()
    };
    let plan = Plan::new(PlanRequest {
        sizes: vec!["64MiB".parse().unwrap()],
        rounds: 1,
        conditions: vec![conditions],
        ..PlanRequest::of(vec![StrategySpec::plain("artifact")])
    })
    .unwrap();
    let cell = cells(&plan, &[], &"ubuntu-latest".into(), 1).unwrap().remove(0);
    (plan, cell)
}

/// File of a successful job with every value that a job on GitHub can have.
fn file(cell: &CellJob, consumer: Option<u32>) -> JobFile {
    JobFile {
        trial: cell.id.clone(),
        role: if consumer.is_some() { Role::Consumer } else { Role::Producer },
        consumer,
        started_at: "2026-01-01T12:00:05Z".to_owned(),
        environment: Environment { id: format!("m{}", consumer.unwrap_or(0)), cores: 4, ..Environment::default() },
        image_store: "overlay2".to_owned(),
        start: Readings::default(),
        failure: None,
        wall_ns: 9_000_000_000,
        spans: vec![Span { kind: SpanKind::Build, detail: "RUN x".to_owned(), start_ns: 1, end_ns: 2, bytes: None }],
        executed: vec!["RUN x".to_owned()],
        cached: vec![],
        traced: true,
        cache_layers: vec![],
        usage: RoleUsage {
            cpu_ns: Some(7),
            harness_wall_ns: Some(8),
            load_1m: Some(0.5),
            cpu_pressure_ns: Some(9),
            steal_ns: Some(10),
            ..RoleUsage::default()
        },
        identity: ImageIdentity {
            index: Some("sha256:i".to_owned()),
            config: Some("sha256:c".to_owned()),
            layers: Some(vec!["sha256:l".to_owned()]),
            content: consumer.map(|_| cell.image_spec().unwrap().content_digest().unwrap()),
            ..ImageIdentity::default()
        },
        source: "output".to_owned(),
        client: "actions/upload-artifact".to_owned(),
    }
}

/// Joins the files of a run of one trial.
fn joined(plan: &Plan, cell: &CellJob, files: Vec<JobFile>) -> (tempfile::TempDir, Results) {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path(), plan, &[]).unwrap();
    let waits = BTreeMap::from([(cell.id.clone(), Waits { queue_ns: Some(11), ..Waits::default() })]);
    append(&mut journal, std::slice::from_ref(cell), &BTreeMap::from([(cell.id.clone(), files)]), &waits).unwrap();
    let results = Results::read(dir.path()).unwrap();
    (dir, results)
}

/// Columns of a file that are empty in every row.
fn empty(dir: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(dir.join(name)).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    assert!(!rows.is_empty(), "{name} has no row");
    let is_empty = |i: usize| rows.iter().all(|row| row[i].is_empty());
    header.into_iter().enumerate().filter(|(i, _)| is_empty(*i)).map(|(_, name)| name).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn empty_columns_of_a_github_row_are_the_documented_ones() {
    let (plan, cell) = plan();
    let files = vec![file(&cell, None), file(&cell, Some(1)), file(&cell, Some(2))];
    let (dir, results) = joined(&plan, &cell, files);
    let row = &results.measurements[0];
    assert_eq!((row.outcome, row.error.as_str()), (Outcome::Completed, ""));
    // These columns are empty in every completed row of this trial, also of a local run.
    let elsewhere = ["variant", "failed_span", "error", "identity_note"];
    let mut found = empty(dir.path(), "measurements.csv");
    found.retain(|name| !elsewhere.contains(&name.as_str()));
    assert_eq!(sorted(found), sorted(documented_as_empty("measurements.csv")));
    assert_eq!(sorted(empty(dir.path(), "consumers.csv")), sorted(documented_as_empty("consumers.csv")));
    assert_eq!((row.build_ns, row.queue_ns, row.environment.as_str()), (Some(1), Some(11), "m0"));
    let consumers: Vec<(u32, &str)> =
        results.consumers.iter().map(|c: &ConsumerRow| (c.consumer, c.environment.as_str())).collect();
    assert_eq!(consumers, [(1, "m1"), (2, "m2")]);
}

#[test]
fn github_row_without_a_trace_has_no_build_time() {
    let (plan, cell) = plan();
    let untraced = |consumer| JobFile { traced: false, ..file(&cell, consumer) };
    let files = vec![untraced(None), untraced(Some(1)), untraced(Some(2))];
    let (_dir, results) = joined(&plan, &cell, files);
    let row: &MeasurementRow = &results.measurements[0];
    assert_eq!(row.outcome, Outcome::Completed);
    assert_eq!((row.build_ns, row.transfer_ns, row.producer_steps_executed), (None, None, None));
    assert_eq!(row.critical_path_ns, Some(18_000_000_000));
}

#[test]
fn other_image_store_than_planned_fails_the_trial_with_the_fix() {
    let (plan, cell) = plan();
    let other = JobFile { image_store: "containerd".to_owned(), ..file(&cell, Some(2)) };
    let (_dir, results) = joined(&plan, &cell, vec![file(&cell, None), file(&cell, Some(1)), other]);
    let row = &results.measurements[0];
    assert_eq!((row.outcome, row.failed_span.as_str()), (Outcome::Failed, "image-store"));
    assert!(row.error.ends_with("the plan says overlay2: dispatch with --image-store containerd"), "{}", row.error);
    assert_eq!((row.critical_path_ns, results.consumers.len()), (None, 0));
}

#[test]
fn trial_without_files_has_a_row_without_machine_and_start() {
    let (plan, cell) = plan();
    let (_dir, results) = joined(&plan, &cell, Vec::new());
    let row = &results.measurements[0];
    assert_eq!((row.environment.as_str(), row.started_at.as_str(), row.outcome), ("", "", Outcome::Failed));
}

#[test]
fn missing_folder_of_job_files_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read_files(dir.path()).unwrap().is_empty());
    let error = read_files(&dir.path().join("none")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("/none: "), "{error}");
}

/// Columns of `measurements.csv` or `consumers.csv` that docs/format.md calls empty in the rows of a run on GitHub.
fn documented_as_empty(file: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md")).unwrap();
    let section = text.split("\n## ").find(|s| s.starts_with("Rows of a run on GitHub")).expect("the section");
    let start = format!("- Always empty in `{file}`:");
    let item = section.split("\n- ").map(|i| format!("- {i}")).find(|i| i.starts_with(&start)).expect("the item");
    let item = item.split("\n\n").next().unwrap();
    item[start.len()..].split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
