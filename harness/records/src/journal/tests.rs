//! What the journal promises: no kill loses a committed trial, and nothing is changed that is not ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::plan::{SCHEMA_MINOR, SCHEMA_VERSION};
use handoff_model::{Role, SpanKind};
use proptest::prelude::*;
use sha2::Digest as _;
use tempfile::TempDir;

use super::row::{self, Row};
use super::sample::{environment, plan, request, rows};
use super::table;
use super::*;
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

mod crash;
mod damage;
mod documentation;
mod environments;
mod folders;
mod golden;
mod versions;

const CSVS: [&str; 3] = [ConsumerRow::FILE, SpanRow::FILE, MeasurementRow::FILE];

/// A folder in memory where there is one, for these tests sync thousands of times.
fn temp() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn start(dir: &Path, rounds: u32) -> Journal {
    Journal::create(dir, &plan(rounds), &[environment("e0")]).unwrap()
}

fn append(journal: &mut Journal, trial: &Trial) {
    let rows = rows(trial);
    journal.append(&rows.consumers, &rows.spans, &rows.measurement).unwrap();
}

fn finish(journal: &mut Journal) {
    let rest: Vec<Trial> = journal.remaining().cloned().collect();
    for trial in &rest {
        append(journal, trial);
    }
}

fn file(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap()
}

/// The lines of each CSV file as a set, and the number of lines, so that a row twice is noticed.
fn sets(dir: &Path) -> Vec<(usize, BTreeSet<String>)> {
    CSVS.iter()
        .map(|name| {
            let text = String::from_utf8(file(dir, name)).unwrap();
            (text.lines().count(), text.lines().map(str::to_owned).collect())
        })
        .collect()
}

/// A finished run, and the writes that made its CSV files, in order.
fn whole(rounds: u32) -> (TempDir, Vec<(usize, Vec<u8>)>) {
    let dir = temp();
    let mut journal = start(dir.path(), rounds);
    let mut sizes = CSVS.map(|name| file(dir.path(), name).len());
    let mut writes = Vec::new();
    for trial in journal.plan().trials.clone() {
        append(&mut journal, &trial);
        for (i, name) in CSVS.iter().enumerate() {
            let bytes = file(dir.path(), name);
            writes.push((i, bytes[sizes[i]..].to_vec()));
            sizes[i] = bytes.len();
        }
    }
    (dir, writes)
}

/// A CSV text with those columns only that are wanted.
fn only(text: &[u8], wanted: impl Fn(&str) -> bool) -> String {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let records: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in &records {
        writer.write_record(record.iter().zip(&records[0]).filter(|(_, name)| wanted(name)).map(|(v, _)| v)).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[test]
fn written_run_reads_back() {
    let (dir, _) = whole(1);
    let results = Results::read(dir.path()).unwrap();
    assert_eq!(results.plan, plan(1));
    assert_eq!(results.environments, [environment("e0")]);
    assert!(results.warnings.is_empty(), "{:?}", results.warnings);
    let written: Vec<_> = results.plan.trials.iter().map(rows).collect();
    assert_eq!(results.measurements, written.iter().map(|r| r.measurement.clone()).collect::<Vec<_>>());
    assert_eq!(results.consumers, written.iter().flat_map(|r| r.consumers.clone()).collect::<Vec<_>>());
    assert_eq!(results.spans, written.iter().flat_map(|r| r.spans.clone()).collect::<Vec<_>>());
    let (journal, done) = Journal::open(dir.path()).unwrap();
    assert_eq!((done.len(), journal.remaining().count()), (4, 0));
    assert!(journal.repairs().is_empty());
}
