//! Which rows count: what a crash explains is repaired, all else is damage and refused.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::row::{Row, lines};
use super::sample::{environment, plan, rows};
use super::{Journal, Results};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// A run of which the first trials are committed.
fn begun(trials: usize) -> TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut journal = Journal::create(dir.path(), &plan(1), &[environment("e0")]).unwrap();
    for trial in plan(1).trials.iter().take(trials) {
        let rows = rows(trial);
        journal.append(&rows.consumers, &rows.spans, &rows.measurement).unwrap();
    }
    dir
}

fn change(dir: &Path, file: &str, change: impl FnOnce(String) -> String) {
    let path = dir.join(file);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

fn without_line(text: &str, number: usize) -> String {
    let kept = text.lines().enumerate().filter(|(n, _)| n + 1 != number);
    kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn interrupted_trial_is_reported_and_repaired_by_resume() {
    let dir = begun(2);
    let next = rows(&plan(1).trials[3]);
    change(dir.path(), ConsumerRow::FILE, |text| text + &lines(&next.consumers).unwrap());
    change(dir.path(), SpanRow::FILE, |text| text + lines(&next.spans).unwrap().trim_end());
    let results = Results::read(dir.path()).unwrap();
    assert_eq!((results.damaged, results.measurements.len()), (0, 2), "{:?}", results.warnings);
    let named = |part: &str| results.warnings.iter().any(|w| w.starts_with(part));
    assert!(named("consumers.csv:4: the row's trial has no row in measurements.csv"), "{:?}", results.warnings);
    assert!(named("spans.csv:13: the last line has no line end"), "{:?}", results.warnings);
    let (journal, done) = Journal::open(dir.path()).unwrap();
    assert_eq!((done.len(), journal.repairs()), (2, &results.warnings[..]));
    assert!(Results::read(dir.path()).unwrap().warnings.is_empty());
}

#[test]
fn deleted_measurement_is_damage_and_runs_again_with_resume() {
    let dir = begun(4);
    change(dir.path(), MeasurementRow::FILE, |text| without_line(&text, 2));
    let results = Results::read(dir.path()).unwrap();
    assert_eq!((results.damaged, results.measurements.len()), (2, 3), "{:?}", results.warnings);
    let (journal, done) = Journal::open(dir.path()).unwrap();
    assert_eq!((done.len(), journal.remaining().count()), (3, 1));
}

#[test]
fn resume_refuses_lost_rows_of_committed_trials_and_changes_nothing() {
    let dir = begun(4);
    change(dir.path(), SpanRow::FILE, |text| text.lines().next().unwrap().to_owned() + "\n");
    let before = fs::read(dir.path().join(MeasurementRow::FILE)).unwrap();
    let error = Journal::open(dir.path()).unwrap_err();
    assert!(error.is_damage());
    let text = error.to_string();
    assert!(text.contains("/measurements.csv:2-3,5: `spans` is 4, but spans.csv has 0 rows of the trial"), "{text}");
    assert_eq!(fs::read(dir.path().join(MeasurementRow::FILE)).unwrap(), before);
    let results = Results::read(dir.path()).unwrap();
    // The third trial failed, and left spans as well.
    assert_eq!(results.measurements.len(), 0);
    assert_eq!(results.set_aside.len(), 4);
    assert!(results.damaged > 0);
}

#[test]
fn unreadable_row_sets_its_trial_aside_in_every_file() {
    let dir = begun(4);
    change(dir.path(), SpanRow::FILE, |text| text.replacen(",40000000,", ",4e7,", 1));
    let results = Results::read(dir.path()).unwrap();
    assert_eq!((results.measurements.len(), results.consumers.len()), (3, 2));
    let trial = &plan(1).trials[0].id;
    assert!(results.spans.iter().all(|s| s.trial != *trial), "{:?}", results.warnings);
    assert!(results.warnings[0].starts_with("spans.csv:2: column `start_ns`: "), "{:?}", results.warnings);
    assert!(results.warnings.iter().any(|w| w.starts_with("measurements.csv:2: set aside")), "{:?}", results.warnings);
}

#[test]
fn crlf_file_is_read_with_a_note_and_not_resumed() {
    let dir = begun(4);
    change(dir.path(), ConsumerRow::FILE, |text| text.replace('\n', "\r\n"));
    let results = Results::read(dir.path()).unwrap();
    assert_eq!((results.damaged, results.measurements.len(), results.warnings.len()), (0, 4, 1));
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("/consumers.csv:1: lines end in CR LF"), "{error}");
}
