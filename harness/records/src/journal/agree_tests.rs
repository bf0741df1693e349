//! Rows of one trial that disagree, in new folders and in older ones, whose measurements do not count spans.

use std::fs;
use std::path::Path;

use handoff_model::Environment;
use tempfile::TempDir;

use super::row::{Row, header, lines};
use super::sample::{environment, plan, rows};
use super::{ENVIRONMENTS, Journal, Results};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

type Change<T> = fn(&mut Vec<T>);

/// A folder of which every trial is changed; `older` is one from before spans were counted.
fn changed(
    older: bool,
    consumers: Change<ConsumerRow>,
    spans: Change<SpanRow>,
    measurement: fn(&mut MeasurementRow),
) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(Journal::create(dir.path(), &plan(1), &[environment("e0")]).unwrap());
    let mut texts =
        [header::<ConsumerRow>().unwrap(), header::<SpanRow>().unwrap(), header::<MeasurementRow>().unwrap()];
    for trial in &plan(1).trials {
        let mut rows = rows(trial);
        if older {
            rows.measurement.spans = None;
        }
        consumers(&mut rows.consumers);
        spans(&mut rows.spans);
        measurement(&mut rows.measurement);
        texts[0].push_str(&lines(&rows.consumers).unwrap());
        texts[1].push_str(&lines(&rows.spans).unwrap());
        texts[2].push_str(&lines(&[rows.measurement]).unwrap());
    }
    for (name, text) in [ConsumerRow::FILE, SpanRow::FILE, MeasurementRow::FILE].iter().zip(texts) {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn refuses(dir: &Path, what: &str) {
    let results = Results::read(dir).unwrap();
    assert!(results.damaged > 0, "nothing is said of: {what}");
    assert!(results.warnings.iter().any(|w| w.contains(what)), "{what} is not in {:?}", results.warnings);
    assert!(!results.set_aside.is_empty());
}

#[test]
fn unchanged_rows_agree_in_new_folders_and_older_ones() {
    for older in [false, true] {
        let dir = changed(older, |_| (), |_| (), |_| ());
        let results = Results::read(dir.path()).unwrap();
        assert!(results.warnings.is_empty() && results.set_aside.is_empty(), "{:?}", results.warnings);
    }
}

#[test]
fn consumers_that_contradict_their_trial_are_reported() {
    let cases: [(Change<ConsumerRow>, &str); 6] = [
        (|c| c.iter_mut().for_each(|c| c.layers_equal = Some(false)), "`layers_equal` is not the worst"),
        (|c| c.iter_mut().for_each(|c| c.config_equal = None), "`config_equal` is not the worst"),
        (|c| c.iter_mut().for_each(|c| c.index_equal = Some(true)), "`index_equal` is not the worst"),
        (|c| c.iter_mut().for_each(|c| c.requests = Some(99)), "`requests` is less than that of its consumers"),
        (|c| c.iter_mut().for_each(|c| c.bytes_down = None), "`bytes_down` is known for the trial or for"),
        (
            |c| c.iter_mut().for_each(|c| c.environment = "e9".into()),
            "does not describe environment `e9` of a consumer",
        ),
    ];
    for (change, what) in cases {
        refuses(changed(false, change, |_| (), |_| ()).path(), what);
        refuses(changed(true, change, |_| (), |_| ()).path(), what);
    }
}

#[test]
fn lost_spans_are_reported_in_new_and_older_folders() {
    let cases: [(Change<SpanRow>, &str); 4] = [
        (|s| s.retain(|s| s.role.as_str() != "producer"), "with a producer, but its rows are missing"),
        (|s| s.retain(|s| s.span.as_str() != "upload"), "no span of it that sends"),
        (|s| s.retain(|s| s.span.as_str() != "run"), "lacks rows of consumer 1"),
        (|s| s.retain(|s| s.span.as_str() != "download"), "lacks rows of consumer 1"),
    ];
    for (change, what) in cases {
        refuses(changed(false, |_| (), change, |_| ()).path(), "`spans` is 4, but spans.csv has ");
        refuses(changed(true, |_| (), change, |_| ()).path(), what);
    }
}

#[test]
fn spans_beyond_clock_or_bytes_sent_are_reported() {
    let cases: [(Change<SpanRow>, &str); 3] = [
        (|s| s[0].end_ns = 999_000_000_000, "ends after "),
        (|s| s.last_mut().unwrap().end_ns = 999_000_000_000, "of consumer 1 that ends after its `consume_ns`"),
        (|s| s[1].bytes = s[1].bytes.map(|b| b * 9), "uploads of more bytes than the producer sent"),
    ];
    for (change, what) in cases {
        refuses(changed(false, |_| (), change, |_| ()).path(), what);
    }
}

/// Makes a row contradict itself.
type RowChange = fn(&mut MeasurementRow);

#[test]
fn measurement_that_contradicts_plan_counters_or_calendar_is_reported() {
    let cases: [(RowChange, &str); 6] = [
        (|m| m.seed = 99, "`seed` is 99, the plan's is 42"),
        (|m| m.started_at = "yesterday".into(), "`started_at` is `yesterday`, which is no time"),
        (|m| m.bytes_stored = m.bytes_stored.map(|b| b.min(1)), "`bytes_stored` is 1, but the producer sent 30"),
        (|m| m.entries_stored = m.entries_stored.and(Some(0)), "but `entries_stored` is 0"),
        (|m| m.bytes_up = None, "some columns that the service counts are empty"),
        (|m| m.bytes_stored = m.bytes_stored.map(|b| b * 9), "`bytes_stored` is more than the producer sent"),
    ];
    for (change, what) in cases {
        refuses(changed(false, |_| (), |_| (), change).path(), what);
    }
}

#[test]
fn environment_that_was_edited_under_its_id_is_refused() {
    let dir = changed(false, |_| (), |_| (), |_| ());
    let write = |all: &[Environment]| {
        fs::write(dir.path().join(ENVIRONMENTS), serde_json::to_vec(all).unwrap()).unwrap();
        Results::read(dir.path()).unwrap_err()
    };
    let other = Environment { cores: 64, ..environment("e0") };
    let twice = write(&[environment("e0"), other]);
    assert!(twice.is_damage() && twice.to_string().contains("`e0` is there twice, with other values"), "{twice}");
    let mut recorded = Environment { source_digest: "sha256:aa".into(), ..environment("") };
    handoff_model::environment::set_id(&mut recorded);
    recorded.cores = 64;
    let edited = write(&[recorded]);
    assert!(edited.is_damage() && edited.to_string().contains("does not match its own id"), "{edited}");
}

#[test]
fn misplaced_row_sets_aside_only_its_trial() {
    let dir = changed(false, |_| (), |_| (), |_| ());
    for name in [ConsumerRow::FILE, SpanRow::FILE] {
        let path = dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let stray = text.lines().nth(1).unwrap();
        fs::write(&path, format!("{text}{stray}\n")).unwrap();
        let results = Results::read(dir.path()).unwrap();
        assert_eq!(results.set_aside, [plan(1).trials[0].id.clone()], "{name}: {:?}", results.warnings);
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn blank_line_is_reported_and_loses_no_row() {
    let dir = changed(false, |_| (), |_| (), |_| ());
    for name in [ConsumerRow::FILE, SpanRow::FILE, MeasurementRow::FILE] {
        let path = dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let mut all: Vec<&str> = text.lines().collect();
        all.insert(2, "");
        fs::write(&path, all.join("\n") + "\n\n\n").unwrap();
        let results = Results::read(dir.path()).unwrap();
        assert_eq!((results.damaged, results.measurements.len()), (0, 4), "{:?}", results.warnings);
        let last = all.len() as u64;
        let ends = format!("{}-{}: a blank line", last + 1, last + 2);
        assert!(results.warnings[0].starts_with(&format!("{name}:3,{ends}")), "{:?}", results.warnings);
        fs::write(&path, text).unwrap();
    }
}
