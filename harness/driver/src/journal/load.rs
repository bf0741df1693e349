//! Reads a results folder and decides which rows count.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use handoff_model::plan::SCHEMA_VERSION;
use handoff_model::rows::{ConsumerRow, MeasurementRow, SpanRow};
use handoff_model::{Environment, Outcome, Plan};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::table::{self, Row, Table};
use super::{ENVIRONMENTS, JournalError, PLAN, Result};

/// What the folder is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on: the files must be of this version, for rows of this version will follow.
    Resume,
    /// To report: a newer version's additions are left out with a warning.
    Report,
}

/// A results folder in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    pub plan: Plan,
    pub environments: Vec<Environment>,
    pub consumers: Table<ConsumerRow>,
    pub spans: Table<SpanRow>,
    pub measurements: Table<MeasurementRow>,
    /// What was left out, one line each.
    pub notes: Vec<String>,
}

/// Reads the folder; changes nothing in it.
pub(super) fn load(dir: &Path, purpose: Purpose) -> Result<Loaded> {
    let mut notes = Vec::new();
    let plan = plan(dir, purpose, &mut notes)?;
    let environments = json(&dir.join(ENVIRONMENTS), &read(&dir.join(ENVIRONMENTS))?)?;
    let mut consumers: Table<ConsumerRow> = rows(dir, purpose, &plan, &mut notes)?;
    let mut spans: Table<SpanRow> = rows(dir, purpose, &plan, &mut notes)?;
    let mut measurements: Table<MeasurementRow> = rows(dir, purpose, &plan, &mut notes)?;
    refuse_twice(dir, &measurements)?;
    refuse_altered(dir, &plan, &measurements)?;
    let lost = incomplete(&measurements.rows, &consumers.rows, &spans.rows);
    for trial in &lost {
        notes.push(format!(
            "trial {trial}: rows of consumers.csv or spans.csv are lost, so its measurement does not count"
        ));
    }
    keep(&mut measurements, |row| !lost.contains(row.trial()));
    let committed: HashSet<String> = measurements.rows.iter().map(|r| r.trial.clone()).collect();
    for (file, dropped) in [
        (ConsumerRow::FILE, keep(&mut consumers, |row| committed.contains(row.trial()))),
        (SpanRow::FILE, keep(&mut spans, |row| committed.contains(row.trial()))),
    ] {
        if dropped > 0 {
            notes.push(format!("{file}: {dropped} rows of trials without a row in measurements.csv left out"));
        }
    }
    Ok(Loaded { plan, environments, consumers, spans, measurements, notes })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(JournalError::io("read", path))
}

fn json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| JournalError::Json {
        path: path.to_owned(),
        line: e.line(),
        what: e.to_string(),
    })
}

fn plan(dir: &Path, purpose: Purpose, notes: &mut Vec<String>) -> Result<Plan> {
    let path = dir.join(PLAN);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(JournalError::NoRun(dir.to_owned()));
        }
        Err(source) => return Err(JournalError::Io { what: "read", path, source }),
    };
    let mut value: Value = json(&path, &bytes)?;
    let version = value.get("schema_version").and_then(Value::as_u64).unwrap_or(0) as u32;
    if version > SCHEMA_VERSION && purpose == Purpose::Report {
        notes.push(format!("{PLAN}: schema version {version} is newer than {SCHEMA_VERSION}: what is new is left out"));
        prune(&mut value);
        return serde_json::from_value(value).map_err(|e| JournalError::Json { path, line: 1, what: e.to_string() });
    }
    if version != SCHEMA_VERSION {
        return Err(JournalError::Version { path, found: version, known: SCHEMA_VERSION });
    }
    let plan: Plan = json(&path, &bytes)?;
    if plan.is_intact() { Ok(plan) } else { Err(JournalError::Altered(path)) }
}

/// Removes what a newer version has added to a plan: our types refuse fields that they do not know.
fn prune(plan: &mut Value) {
    fn only(value: &mut Value, names: &[&str]) {
        if let Some(map) = value.as_object_mut() {
            map.retain(|name, _| names.contains(&name.as_str()));
        }
    }
    const CONDITIONS: &[&str] =
        &["engine", "image_store", "builder", "profile", "cache_state", "consumers", "consumer_concurrency"];
    only(plan, &["schema_version", "hash", "request", "trials"]);
    let request = &mut plan["request"];
    only(
        request,
        &["sizes", "strategies", "workloads", "rounds", "conditions", "control", "timeout_s", "seed", "run_id"],
    );
    for conditions in request["conditions"].as_array_mut().into_iter().flatten() {
        only(conditions, CONDITIONS);
    }
    for trial in plan["trials"].as_array_mut().into_iter().flatten() {
        only(trial, &["id", "round", "position", "cell", "nonce"]);
        only(&mut trial["cell"], &["strategy", "workload", "size", "conditions", "control"]);
        only(&mut trial["cell"]["conditions"], CONDITIONS);
    }
}

fn rows<T: Row>(dir: &Path, purpose: Purpose, plan: &Plan, notes: &mut Vec<String>) -> Result<Table<T>> {
    let path = dir.join(T::FILE);
    let bytes = match fs::read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        other => other.map_err(JournalError::io("read", &path))?,
    };
    let table: Table<T> = table::read(&path, &bytes)?;
    if purpose == Purpose::Resume && !table::has_our_header::<T>(&bytes) {
        return Err(JournalError::OtherColumns { path });
    }
    if table.torn {
        notes.push(format!("{}: the last line was cut off and is left out", T::FILE));
    }
    if !table.unknown.is_empty() {
        notes.push(format!("{}: unknown columns are ignored: {}", T::FILE, table.unknown.join(", ")));
    }
    let trials: HashSet<&str> = plan.trials.iter().map(|t| t.id.as_str()).collect();
    for (row, line) in table.rows.iter().zip(&table.lines) {
        let version = row.schema_version();
        if version != SCHEMA_VERSION && (purpose == Purpose::Resume || version == 0) {
            return Err(JournalError::Version { path, found: version, known: SCHEMA_VERSION });
        }
        if !trials.contains(row.trial()) {
            let what = format!("trial `{}` is not in the folder's plan", row.trial());
            return Err(JournalError::Row { path, line: *line, what });
        }
    }
    Ok(table)
}

fn refuse_twice(dir: &Path, table: &Table<MeasurementRow>) -> Result<()> {
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for (row, line) in table.rows.iter().zip(&table.lines) {
        if let Some(first) = seen.insert(&row.trial, *line) {
            let what = format!("trial `{}` has a row already, at line {first}", row.trial);
            return Err(JournalError::Row { path: dir.join(MeasurementRow::FILE), line: *line, what });
        }
    }
    Ok(())
}

/// A measurement says again what its trial in the plan says, so that the CSV stands alone; the two must agree.
fn refuse_altered(dir: &Path, plan: &Plan, table: &Table<MeasurementRow>) -> Result<()> {
    let cells: HashMap<&str, _> = plan.trials.iter().map(|t| (t.id.as_str(), (&t.cell, &t.nonce))).collect();
    for (row, line) in table.rows.iter().zip(&table.lines) {
        let same = cells
            .get(row.trial.as_str())
            .is_some_and(|(cell, nonce)| **nonce == row.nonce && row.cell().is_ok_and(|c| c == **cell));
        if !same {
            let what = format!("the row is not what the plan says of trial `{}`", row.trial);
            return Err(JournalError::Row { path: dir.join(MeasurementRow::FILE), line: *line, what });
        }
    }
    Ok(())
}

/// Trials that are committed but whose other rows are not all there. The order of syncs rules it out for a killed
/// process; a file that was cut by other means, or a disk that lied, is noticed here.
fn incomplete(measurements: &[MeasurementRow], consumers: &[ConsumerRow], spans: &[SpanRow]) -> HashSet<String> {
    let mut jobs: HashMap<&str, HashSet<u32>> = HashMap::new();
    for row in consumers {
        jobs.entry(&row.trial).or_default().insert(row.consumer);
    }
    let spanned: HashSet<&str> = spans.iter().map(|r| r.trial.as_str()).collect();
    measurements
        .iter()
        .filter(|row| row.outcome == Outcome::Completed)
        .filter(|row| {
            let consumers = jobs.get(row.trial.as_str()).map_or(0, HashSet::len);
            consumers != row.consumers as usize || !spanned.contains(row.trial.as_str())
        })
        .map(|row| row.trial.clone())
        .collect()
}

/// Keeps the rows that `wanted` names; the number of others.
fn keep<T: Row>(table: &mut Table<T>, wanted: impl Fn(&T) -> bool) -> usize {
    let before = table.rows.len();
    let flags: Vec<bool> = table.rows.iter().map(wanted).collect();
    let mut flag = flags.iter();
    table.rows.retain(|_| *flag.next().unwrap_or(&false));
    let mut flag = flags.iter();
    table.lines.retain(|_| *flag.next().unwrap_or(&false));
    let dropped = before - table.rows.len();
    table.whole &= dropped == 0;
    dropped
}
