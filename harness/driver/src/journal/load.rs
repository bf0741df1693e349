//! Reads a results folder and decides which rows count.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use handoff_model::plan::{self, PlanReadError, ReadPlan, SCHEMA_MINOR, SCHEMA_VERSION};
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
    let plan = stored_plan(dir, purpose, &mut notes)?;
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

fn stored_plan(dir: &Path, purpose: Purpose, notes: &mut Vec<String>) -> Result<Plan> {
    let path = dir.join(PLAN);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(JournalError::NoRun(dir.to_owned()));
        }
        Err(source) => return Err(JournalError::Io { what: "read", path, source }),
    };
    let read = plan_of(&path, &bytes)?;
    if read.is_newer() {
        let (major, minor) = (read.plan.schema_version, read.plan.schema_minor);
        if purpose == Purpose::Resume {
            return Err(JournalError::NewerPlan { path, found: format!("{major}.{minor}"), writer: writer(dir) });
        }
        notes.push(format!(
            "{PLAN}: schema version {major}.{minor} is newer than {SCHEMA_VERSION}.{SCHEMA_MINOR}, fields are ignored: {}",
            read.unknown.join(", ")
        ));
    }
    Ok(read.plan)
}

fn plan_of(path: &Path, bytes: &[u8]) -> Result<ReadPlan> {
    let dir = path.parent().unwrap_or(path);
    let path = path.to_owned();
    plan::read(bytes).map_err(|error| match error {
        PlanReadError::Version { found } => {
            JournalError::Version { path, found, known: SCHEMA_VERSION, writer: writer(dir) }
        }
        PlanReadError::Unknown(fields) => JournalError::UnknownFields { path, fields },
        PlanReadError::Json { line, what } => JournalError::Json { path, line, what },
        PlanReadError::Altered => JournalError::Altered(path),
    })
}

/// Reads a plan that lies by itself, to run it or to go on with it: one of this version.
///
/// # Errors
/// A file that is not there, or no plan of this version or an older one.
pub fn read_plan(path: &Path) -> Result<Plan> {
    let read = plan_of(path, &read(path)?)?;
    if read.is_newer() {
        let found = format!("{}.{}", read.plan.schema_version, read.plan.schema_minor);
        let writer = writer(path.parent().unwrap_or(path));
        return Err(JournalError::NewerPlan { path: path.to_owned(), found, writer });
    }
    Ok(read.plan)
}

/// The version of handoff that wrote a folder, in words. Only for the message of an error that is reported anyway, so a folder that does
/// not tell is no further error.
fn writer(dir: &Path) -> String {
    let environments = fs::read(dir.join(ENVIRONMENTS)).ok().and_then(|b| serde_json::from_slice::<Value>(&b).ok());
    let version = environments.as_ref().and_then(|e| e.as_array()?.last()?.get("handoff")?.as_str());
    version.map_or_else(|| "the handoff that wrote it".to_owned(), |v| format!("handoff {v}, which wrote it,"))
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
            return Err(JournalError::Version { path, found: version, known: SCHEMA_VERSION, writer: writer(dir) });
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
