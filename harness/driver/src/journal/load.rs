//! Reads a results folder. [`verify`] decides which rows count.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use handoff_model::plan::SCHEMA_VERSION;
use handoff_model::rows::{ConsumerRow, MeasurementRow, SpanRow};
use handoff_model::{Environment, Plan};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::finding::{Findings, Weight};
use super::table::{self, Row, Table};
use super::verify::{self, Rows};
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
    pub rows: Rows,
    /// What was set aside or is worth a word.
    pub findings: Findings,
}

/// Reads the folder; changes nothing in it.
pub(super) fn load(dir: &Path, purpose: Purpose) -> Result<Loaded> {
    let mut findings = Findings::default();
    let plan = plan(dir, purpose, &mut findings)?;
    let environments: Vec<Environment> = json(&dir.join(ENVIRONMENTS), &read(&dir.join(ENVIRONMENTS))?)?;
    let planned: HashSet<&str> = plan.trials.iter().map(|t| t.id.as_str()).collect();
    // First the file that is written last: a run under way may commit a trial between two reads, and then its other rows
    // must be there.
    let measurements: Table<MeasurementRow> = rows(dir, purpose, &planned, &mut findings)?;
    let consumers: Table<ConsumerRow> = rows(dir, purpose, &planned, &mut findings)?;
    let spans: Table<SpanRow> = rows(dir, purpose, &planned, &mut findings)?;
    let mut rows = Rows { consumers, spans, measurements };
    verify::verify(&plan, &environments, &mut rows, &mut findings);
    if purpose == Purpose::Resume {
        refuse_damage(dir, &findings)?;
    }
    Ok(Loaded { plan, environments, rows, findings })
}

/// Rows are only added to rows that can be used: what a repair drops would be lost.
fn refuse_damage(dir: &Path, findings: &Findings) -> Result<()> {
    let mut damage = findings.damage();
    let Some(first) = damage.next() else { return Ok(()) };
    Err(JournalError::Damaged { dir: dir.to_owned(), first: first.to_string(), others: damage.count() })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => JournalError::Missing(path.to_owned()),
        _ => JournalError::Io { what: "read", path: path.to_owned(), source },
    })
}

fn json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| JournalError::Json {
        path: path.to_owned(),
        line: e.line(),
        what: e.to_string(),
    })
}

fn newer(version: u32) -> String {
    format!("schema version {version} is newer than {SCHEMA_VERSION}: what is new in it is left out")
}

fn plan(dir: &Path, purpose: Purpose, findings: &mut Findings) -> Result<Plan> {
    let path = dir.join(PLAN);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let files = [ENVIRONMENTS, MeasurementRow::FILE, ConsumerRow::FILE, SpanRow::FILE];
            let left = files.iter().any(|name| dir.join(name).exists());
            return Err(if left { JournalError::Missing(path) } else { JournalError::NoRun(dir.to_owned()) });
        }
        Err(source) => return Err(JournalError::Io { what: "read", path, source }),
    };
    let mut value: Value = json(&path, &bytes)?;
    let version = value.get("schema_version").and_then(Value::as_u64).and_then(|v| u32::try_from(v).ok());
    let Some(version) = version else {
        return Err(JournalError::Json { path, line: 1, what: "no number `schema_version`".to_owned() });
    };
    if version > SCHEMA_VERSION && purpose == Purpose::Report {
        findings.add(Weight::Note, PLAN, 1, newer(version));
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

fn rows<T: Row>(dir: &Path, purpose: Purpose, planned: &HashSet<&str>, findings: &mut Findings) -> Result<Table<T>> {
    let path = dir.join(T::FILE);
    let bytes = read(&path)?;
    let table: Table<T> = table::read(&path, &bytes, &|name| planned.contains(name))?;
    if let Some(line) = table.crlf {
        let what = "lines end in CR LF, so another program saved the file: compare it with the one in git";
        if purpose == Purpose::Resume {
            return Err(JournalError::Shape { path, line, what: what.to_owned() });
        }
        findings.add(Weight::Note, T::FILE, line, what);
    }
    if purpose == Purpose::Resume && !table::has_our_header::<T>(&bytes) {
        return Err(JournalError::OtherColumns { path });
    }
    if !table.unknown.is_empty() {
        findings.add(Weight::Note, T::FILE, 1, format!("unknown columns are ignored: {}", table.unknown.join(", ")));
    }
    for (row, line) in table.rows.iter().zip(&table.lines) {
        let version = row.schema_version();
        if version != SCHEMA_VERSION && purpose == Purpose::Resume {
            return Err(JournalError::Version { path, found: version, known: SCHEMA_VERSION });
        }
        if version > SCHEMA_VERSION {
            findings.add(Weight::Note, T::FILE, *line, newer(version));
        }
    }
    Ok(table)
}
