//! Decides which rows of a results folder count. A trial counts whole or not at all: one row of it that cannot be used
//! sets all its rows aside, in all files. Every row that does not count is in a finding.

use std::collections::{BTreeMap, HashMap, HashSet};

use handoff_model::plan::SCHEMA_VERSION;
use handoff_model::{Environment, Outcome, Plan, Trial};

use super::agree::disagreements;
use super::finding::{Findings, Weight};
use super::row::Row;
use super::table::{Rows, Table};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// The trials whose rows do not count.
struct Verdicts<'a> {
    /// Trials that have a line in `measurements.csv`, readable or not.
    committed: HashSet<String>,
    /// Committed trials that do not count.
    aside: HashSet<String>,
    findings: &'a mut Findings,
}

impl Verdicts<'_> {
    /// Notes a fault, and sets its trial aside. Rows of a trial that was never committed do not count anyway.
    fn aside(&mut self, file: &'static str, line: u64, trial: &str, what: impl Into<String>) {
        if self.committed.contains(trial) {
            self.findings.add(Weight::Damage, file, line, what);
            self.aside.insert(trial.to_owned());
        } else {
            self.findings.add(Weight::Orphan, file, line, what);
        }
    }
}

/// Checks every row by itself and against the others, and takes those out that do not count.
///
/// Gives the trials of the plan that have rows, none of which count.
pub(super) fn verify(
    plan: &Plan,
    environments: &[Environment],
    rows: &mut Rows,
    findings: &mut Findings,
) -> Vec<String> {
    let trials: HashMap<&str, &Trial> = plan.trials.iter().map(|t| (t.id.as_str(), t)).collect();
    let committed = rows.measurements.rows.iter().map(|r| r.trial.clone());
    let committed = committed.chain(rows.measurements.bad.iter().flat_map(|b| b.trials.clone())).collect();
    let mut verdicts = Verdicts { committed, aside: HashSet::new(), findings };
    single_rows(&trials, &rows.measurements, MeasurementRow::contradiction, &mut verdicts);
    single_rows(&trials, &rows.consumers, ConsumerRow::contradiction, &mut verdicts);
    single_rows(&trials, &rows.spans, SpanRow::contradiction, &mut verdicts);
    torn(&trials, &rows.measurements, &mut verdicts);
    torn(&trials, &rows.consumers, &mut verdicts);
    torn(&trials, &rows.spans, &mut verdicts);
    measurements(plan.request.seed, &trials, environments, &rows.measurements, &mut verdicts);
    // Consumers are counted in every row, spans in newer ones.
    let counted: HashSet<&str> = rows.measurements.rows.iter().map(|r| r.trial.as_str()).collect();
    together(&rows.consumers, &counted, &mut verdicts);
    let spans_counted = rows.measurements.rows.iter().filter(|r| r.spans.is_some()).map(|r| r.trial.as_str()).collect();
    together(&rows.spans, &spans_counted, &mut verdicts);
    twice(&rows.spans, &mut verdicts);
    for (line, trial, what) in disagreements(rows, environments) {
        // Of a trial that is set aside already, something else is said.
        if !verdicts.aside.contains(&trial) {
            verdicts.aside(MeasurementRow::FILE, line, &trial, what);
        }
    }
    let mut orphaned = orphans(&rows.consumers, &mut verdicts);
    orphaned.extend(orphans(&rows.spans, &mut verdicts));
    set_aside(&mut rows.measurements, &mut verdicts);
    set_aside(&mut rows.consumers, &mut verdicts);
    set_aside(&mut rows.spans, &mut verdicts);
    let doubted = |trial: &str| verdicts.aside.contains(trial) || orphaned.contains(trial);
    plan.trials.iter().map(|t| &t.id).filter(|id| doubted(id)).cloned().collect()
}

/// Checks each row by itself.
fn single_rows<T: Row>(
    trials: &HashMap<&str, &Trial>,
    table: &Table<T>,
    contradiction: impl Fn(&T) -> Option<String>,
    verdicts: &mut Verdicts<'_>,
) {
    for bad in &table.bad {
        let orphan = !bad.trials.is_empty() && bad.trials.iter().all(|t| !verdicts.committed.contains(t));
        let weight = if orphan { Weight::Orphan } else { Weight::Damage };
        for line in bad.lines.clone() {
            verdicts.findings.add(weight, T::FILE, line, &bad.what);
        }
        verdicts.aside.extend(bad.trials.iter().filter(|t| verdicts.committed.contains(*t)).cloned());
    }
    for (row, line) in table.rows.iter().zip(&table.lines) {
        if !trials.contains_key(row.trial()) {
            let what = format!("trial `{}` is not in the folder's plan", row.trial().escape_debug());
            verdicts.findings.add(Weight::Damage, T::FILE, *line, what);
            verdicts.aside.insert(row.trial().to_owned());
        } else if row.schema_version() == 0 {
            verdicts.aside(T::FILE, *line, row.trial(), format!("no schema version 0 exists, {SCHEMA_VERSION} does"));
        } else if let Some(what) = contradiction(row) {
            verdicts.aside(T::FILE, *line, row.trial(), what);
        }
    }
}

/// A last line without its end. A crash tears the line of a trial that is not committed yet, and no other.
fn torn<T: Row>(trials: &HashMap<&str, &Trial>, table: &Table<T>, verdicts: &mut Verdicts<'_>) {
    let Some(torn) = &table.torn else { return };
    let explains = |trial: &str| trial.starts_with(&torn.trial) && !verdicts.committed.contains(trial);
    if trials.keys().any(|trial| explains(trial)) {
        let what = "the last line has no line end, a crash may have cut it off: it is left out, `handoff run --resume` repairs it";
        verdicts.findings.add(Weight::Crash, T::FILE, torn.line, what);
    } else {
        let what =
            "the last line has no line end, so it may be cut off, and no crash explains that: its trial is committed";
        verdicts.findings.add(Weight::Damage, T::FILE, torn.line, what);
        verdicts.aside.insert(torn.trial.clone());
    }
}

/// A measurement says again what its trial in the plan says, so that the CSV stands alone; the two must agree.
fn measurements(
    seed: u64,
    trials: &HashMap<&str, &Trial>,
    environments: &[Environment],
    table: &Table<MeasurementRow>,
    verdicts: &mut Verdicts<'_>,
) {
    let described: HashSet<&str> = environments.iter().map(|e| e.id.as_str()).collect();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for (row, line) in table.rows.iter().zip(&table.lines) {
        let mut aside = |line, what: String| verdicts.aside(MeasurementRow::FILE, line, &row.trial, what);
        if let Some(first) = seen.insert(&row.trial, *line) {
            let what = format!("trial `{}` has two rows, and nothing says which is right", row.trial);
            aside(first, what.clone());
            aside(*line, what);
        }
        let Some(trial) = trials.get(row.trial.as_str()) else { continue };
        let planned = (&trial.cell, trial.nonce.as_str(), trial.round, trial.position);
        if !row.cell().is_ok_and(|cell| (&cell, row.nonce.as_str(), row.round, row.position) == planned) {
            aside(*line, format!("the row is not what the plan says of trial `{}`", row.trial));
        }
        if row.seed != seed {
            aside(*line, format!("`seed` is {}, the plan's is {seed}", row.seed));
        }
        // A trial on GitHub whose jobs left nothing knows no machine; its row has no times either.
        let unknown = !described.contains(row.environment.as_str());
        if unknown && !(row.environment.is_empty() && row.outcome != Outcome::Completed) {
            aside(*line, format!("environments.json does not describe environment `{}`", row.environment));
        }
        let no_time = row.started_at.parse::<jiff::Timestamp>().is_err();
        if no_time && !(row.started_at.is_empty() && row.outcome != Outcome::Completed) {
            aside(*line, format!("`started_at` is `{}`, which is no time", row.started_at.escape_debug()));
        }
    }
}

/// The rows of a trial are written at once, so they stand together. Rows that stand apart put their trial in doubt, and the
/// trials next to them, whose row one of them may have been, unless `counted` says that these have all rows.
fn together<T: Row>(table: &Table<T>, counted: &HashSet<&str>, verdicts: &mut Verdicts<'_>) {
    let mut blocks: Vec<(&str, &[u64])> = Vec::new();
    let mut at = 0;
    for rows in table.rows.chunk_by(|a, b| a.trial() == b.trial()) {
        blocks.push((rows[0].trial(), &table.lines[at..at + rows.len()]));
        at += rows.len();
    }
    let mut longest: HashMap<&str, (usize, usize)> = HashMap::new();
    for (at, (trial, lines)) in blocks.iter().enumerate() {
        let first = longest.entry(trial).or_insert((at, lines.len()));
        if lines.len() > first.1 {
            *first = (at, lines.len());
        }
    }
    for (at, (trial, lines)) in blocks.iter().enumerate().filter(|(at, (trial, _))| longest[trial].0 != *at) {
        verdicts.aside(T::FILE, lines[0], trial, "the row does not stand with the other rows of its trial");
        let next_to = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().filter_map(|at| blocks.get(at));
        verdicts.aside.extend(next_to.map(|(t, _)| *t).filter(|t| !counted.contains(t)).map(str::to_owned));
    }
}

/// No two spans of a trial are the same in all, except those that took no time.
fn twice(table: &Table<SpanRow>, verdicts: &mut Verdicts<'_>) {
    for (at, (row, line)) in table.rows.iter().zip(&table.lines).enumerate() {
        let earlier = table.rows[..at].iter().rev().take_while(|r| r.trial == row.trial);
        if row.end_ns > row.start_ns && earlier.clone().any(|r| r == row) {
            verdicts.aside(SpanRow::FILE, *line, &row.trial, "the row is there twice");
        }
    }
}

/// Rows of trials that were not committed. A crash leaves those of one trial at the end of the file; gives the trials of
/// the others.
fn orphans<T: Row>(table: &Table<T>, verdicts: &mut Verdicts<'_>) -> HashSet<String> {
    let mut unexplained = HashSet::new();
    let is_orphan = |row: &T| !verdicts.committed.contains(row.trial()) && !verdicts.aside.contains(row.trial());
    let last = table.rows.last().map(|row| row.trial().to_owned());
    let crashed = table.rows.iter().rev().take_while(|row| is_orphan(row) && Some(row.trial()) == last.as_deref());
    let first_crashed = table.rows.len() - crashed.count();
    for (at, line) in table.lines.iter().enumerate().filter(|(at, _)| is_orphan(&table.rows[*at])) {
        let (weight, what) = if at < first_crashed {
            unexplained.insert(table.rows[at].trial().to_owned());
            (
                Weight::Orphan,
                "the row's trial has no row in measurements.csv, and no crash leaves that: it is set aside",
            )
        } else {
            (Weight::Crash, "the row's trial has no row in measurements.csv, so it was cut off: it is left out")
        };
        verdicts.findings.add(weight, T::FILE, *line, what);
    }
    unexplained
}

/// Takes the rows out that do not count.
fn set_aside<T: Row>(table: &mut Table<T>, verdicts: &mut Verdicts<'_>) {
    let mut kept = BTreeMap::new();
    for (row, line) in std::mem::take(&mut table.rows).into_iter().zip(&table.lines) {
        if verdicts.aside.contains(row.trial()) {
            // A trial counts whole: the line that is at fault has a finding of its own.
            let what = "set aside, for a row of its trial cannot be used";
            verdicts.findings.add(Weight::Damage, T::FILE, *line, what);
        } else if verdicts.committed.contains(row.trial()) {
            kept.insert(*line, row);
        }
    }
    table.whole &= kept.len() == table.lines.len() && table.bad.is_empty();
    (table.lines, table.rows) = kept.into_iter().unzip();
}
