//! Reads a results folder. [`verify`] decides which rows count.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use handoff_model::environment::id_of;
use handoff_model::plan::{SCHEMA_MINOR, SCHEMA_VERSION};
use handoff_model::{Environment, Plan, regular_file};
use serde_json::Value;

use super::finding::{Findings, Weight};
use super::plan::{self, ReadPlan};
use super::row::Row;
use super::table::{self, Rows, Table};
use super::verify;
use super::{ENVIRONMENTS, JournalError, PLAN, Result};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// Use of a loaded folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadMode {
    /// Resuming: the files must be of this version, because rows of this version will follow.
    Resume,
    /// Reporting: additions of a newer version are left out with a warning.
    Report,
}

/// A results folder in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    pub plan: Plan,
    pub environments: Vec<Environment>,
    pub rows: Rows,
    /// Findings about rows that were set aside, and notes.
    pub findings: Findings,
    /// The trials whose rows cannot be used.
    pub set_aside: Vec<String>,
}

/// Reads the folder; changes nothing in it.
pub(super) fn load(dir: &Path, mode: LoadMode) -> Result<Loaded> {
    let mut findings = Findings::default();
    let plan = stored_plan(dir, mode, &mut findings)?;
    let environments = stored_environments(&dir.join(ENVIRONMENTS))?;
    let planned: HashSet<&str> = plan.trials.iter().map(|t| t.id.as_str()).collect();
    // First the file that is written last: a run under way may commit a trial between two reads, and then its other rows
    // must be there.
    let measurements: Table<MeasurementRow> = rows(dir, mode, &planned, &mut findings)?;
    let consumers: Table<ConsumerRow> = rows(dir, mode, &planned, &mut findings)?;
    let spans: Table<SpanRow> = rows(dir, mode, &planned, &mut findings)?;
    let mut rows = Rows { consumers, spans, measurements };
    let set_aside = verify::verify(&plan, &environments, &mut rows, &mut findings);
    // Rows are only added to rows that can be used: what a repair drops would be lost.
    if mode == LoadMode::Resume
        && let Some(first) = findings.damage().next()
    {
        let (dir, first) = (dir.to_owned(), first.to_string());
        return Err(JournalError::Damaged { dir, first, others: findings.damage().count() - 1 });
    }
    Ok(Loaded { plan, environments, rows, findings, set_aside })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    regular_file::read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => JournalError::Missing(path.to_owned()),
        ErrorKind::InvalidInput => JournalError::NoFile(path.to_owned()),
        _ => JournalError::Io { what: "read", path: path.to_owned(), source },
    })
}

/// Environments, each as it was recorded: rows name them by ids, and an id is a digest of what it stands for.
fn stored_environments(path: &Path) -> Result<Vec<Environment>> {
    let odd = |e: serde_json::Error| JournalError::Json { path: path.to_owned(), line: e.line(), what: e.to_string() };
    let environments: Vec<Environment> = serde_json::from_slice(&read(path)?).map_err(odd)?;
    for (at, environment) in environments.iter().enumerate() {
        // Folders from before there was a digest of the sources have ids by another rule.
        let recorded = environment.source_digest.is_empty() || environment.id == id_of(environment);
        let twice = environments[..at].iter().any(|e| e.id == environment.id && e != environment);
        let what = match (recorded, twice) {
            (_, true) => "is there twice, with other values",
            (false, _) => "does not match its own id",
            _ => continue,
        };
        let (path, id) = (path.to_owned(), environment.id.clone());
        return Err(JournalError::AlteredEnvironment { path, id, what });
    }
    Ok(environments)
}

fn stored_plan(dir: &Path, mode: LoadMode, findings: &mut Findings) -> Result<Plan> {
    let path = dir.join(PLAN);
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.is_not_there() => {
            let files = [ENVIRONMENTS, MeasurementRow::FILE, ConsumerRow::FILE, SpanRow::FILE];
            let left = files.iter().any(|name| dir.join(name).exists());
            return Err(if left { JournalError::Missing(path) } else { JournalError::NoRun(dir.to_owned()) });
        }
        Err(error) => return Err(error),
    };
    let read = plan_of(&path, &bytes)?;
    if read.is_newer() {
        let (major, minor) = (read.plan.schema_version, read.plan.schema_minor);
        if mode == LoadMode::Resume {
            return Err(JournalError::NewerPlan { path, found: format!("{major}.{minor}"), writer: writer(dir) });
        }
        let what = format!(
            "schema version {major}.{minor} is newer than {SCHEMA_VERSION}.{SCHEMA_MINOR}, fields are ignored: {}",
            read.unknown.join(", ")
        );
        findings.add(Weight::Note, PLAN, 1, what);
    }
    Ok(read.plan)
}

fn plan_of(path: &Path, bytes: &[u8]) -> Result<ReadPlan> {
    plan::read(path, bytes, || writer(path.parent().unwrap_or(path)))
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
    let version = version.filter(|v| !v.is_empty());
    version.map_or_else(|| "the handoff that wrote it".to_owned(), |v| format!("handoff {v}, which wrote it,"))
}

fn rows<T: Row>(dir: &Path, mode: LoadMode, planned: &HashSet<&str>, findings: &mut Findings) -> Result<Table<T>> {
    let path = dir.join(T::FILE);
    let bytes = read(&path)?;
    let table: Table<T> = table::read(&path, &bytes, &|name| planned.contains(name))?;
    if let Some(line) = table.crlf {
        let what = "lines end in CR LF, so another program saved the file: compare it with the one in git";
        if mode == LoadMode::Resume {
            return Err(JournalError::Shape { path, line, what: what.to_owned() });
        }
        findings.add(Weight::Note, T::FILE, line, what);
    }
    for line in &table.blank {
        findings.add(Weight::Note, T::FILE, *line, "a blank line, which no run writes: it is passed over");
    }
    if mode == LoadMode::Resume && !table::has_our_header::<T>(&bytes) {
        return Err(JournalError::OtherColumns(path));
    }
    if !table.unknown.is_empty() {
        findings.add(Weight::Note, T::FILE, 1, format!("unknown columns are ignored: {}", table.unknown.join(", ")));
    }
    for (row, line) in table.rows.iter().zip(&table.lines) {
        let version = row.schema_version();
        if version != SCHEMA_VERSION && mode == LoadMode::Resume {
            return Err(JournalError::Version { path, found: version, known: SCHEMA_VERSION, writer: writer(dir) });
        }
        if version > SCHEMA_VERSION {
            let what =
                format!("schema version {version} is newer than {SCHEMA_VERSION}: what is new in it is left out");
            findings.add(Weight::Note, T::FILE, *line, what);
        }
    }
    Ok(table)
}
