//! What nobody knows is an empty field of the CSV, wherever the trial ran.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::journal::{Journal, columns, sample};
use crate::rows::{Measurement, MeasurementRow};

/// The row of the sample's first trial as its file has it: column to field.
fn fields(measured: Measured) -> Vec<(&'static str, String)> {
    let plan = sample::plan(1);
    let measurement = Measurement {
        trial: plan.trials[0].clone(),
        environment: Some("e0".to_owned()),
        started_at: Some("2026-01-02T03:04:05Z".to_owned()),
        source: "save".to_owned(),
        client: "a client".to_owned(),
        import: "pull".to_owned(),
        seed: 42,
        contended: false,
        queue_ns: None,
        identity: IdentityCheck::default(),
        result: Ok(Box::new(measured)),
    };
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path(), &plan, &[]).unwrap();
    journal.append(&[], &[], &MeasurementRow::from(&measurement)).unwrap();
    let text = fs::read_to_string(dir.path().join("measurements.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let record = reader.records().next().unwrap().unwrap();
    columns::<MeasurementRow>().iter().copied().zip(record.iter().map(str::to_owned)).collect()
}

fn value(fields: &[(&'static str, String)], name: &str) -> Option<u64> {
    let (_, text) = fields.iter().find(|(column, _)| *column == name).unwrap_or_else(|| panic!("no column {name}"));
    if text.is_empty() { None } else { Some(text.parse::<f64>().unwrap() as u64) }
}

/// Resources of which the fields are known that `known` names by its bits; no value is 0.
fn usage(known: u8) -> RoleUsage {
    let some = |bit: u8| (known >> bit & 1 == 1).then_some(10 + u64::from(bit));
    RoleUsage {
        cpu_ns: some(0),
        peak_memory_bytes: some(1),
        peak_disk_bytes: some(2),
        harness_cpu_ns: some(3),
        harness_wall_ns: some(4),
        load_1m: some(5).map(|n| n as f64),
        cpu_pressure_ns: some(6),
        steal_ns: some(7),
    }
}

fn traffic() -> Counters {
    Counters {
        requests: 4,
        bytes_up: 5,
        bytes_down: 6,
        connections: 7,
        entries: 8,
        entries_found: 9,
        bytes_found: 10,
        retries: 11,
        throttled: 13,
        stored_bytes: 12,
        ..Counters::default()
    }
}

/// What a job tells: its resources, whether it was traced, and the service's count.
type ReportedJob<'a> = (RoleUsage, bool, Option<&'a Counters>);

fn job<'a>(usage: &'a RoleUsage, traced: bool, traffic: Option<&'a Counters>) -> JobReport<'a> {
    let steps = traced.then_some(StepCount { executed: 3, cached: 2 });
    JobReport { wall_ns: 100, spans: &[], usage, steps, traffic, written_bytes: None, environment: "e0" }
}

proptest! {
    #[test]
    fn unknown_values_are_empty_fields_of_the_csv_and_never_zero(
        producer: Option<(u8, bool, bool)>,
        consumers in prop::collection::vec((any::<u8>(), any::<bool>(), any::<bool>()), 1..4),
        service: Option<bool>,
        writeback: bool,
    ) {
        let counted = traffic();
        let usages: Vec<RoleUsage> = producer.iter().chain(&consumers).map(|(known, ..)| usage(*known)).collect();
        let report = |(usage, (_, traced, ours)): (&RoleUsage, &(u8, bool, bool))| {
            (usage.clone(), *traced, ours.then_some(&counted))
        };
        let parts: Vec<ReportedJob> = usages.iter().zip(producer.iter().chain(&consumers)).map(report).collect();
        let mut jobs = parts.iter().map(|(usage, traced, traffic)| job(usage, *traced, *traffic));
        let producing = producer.and_then(|_| jobs.next());
        let report = TrialReport {
            producer: producing,
            consumers: jobs.collect(),
            service: service.map(|peak| ServiceUsage { cpu_ns: 20, peak_rss_bytes: peak.then_some(21) }),
            settle_ns: writeback.then_some(22),
            image_bytes: Some(23),
        };
        let row = fields(report.measured());

        let all = |known: fn(&ReportedJob) -> bool| parts.iter().all(known);
        let first = parts.first().unwrap();
        let consuming = &parts[usize::from(producer.is_some())..];
        let produced = producer.map(|_| first);
        let ours = all(|p| p.2.is_some());
        let known = [
            ("build_ns", first.1),
            ("transfer_ns", produced.is_some_and(|p| p.1)),
            ("bytes_up", ours),
            ("bytes_down", ours),
            ("bytes_stored", ours),
            ("entries_stored", ours),
            ("requests", ours),
            ("retries", ours),
            ("connections", ours),
            ("throttled", ours),
            ("producer_written_bytes", false),
            ("entries_reused", produced.is_some_and(|p| p.2.is_some())),
            ("bytes_reused", produced.is_some_and(|p| p.2.is_some())),
            ("producer_steps_executed", produced.is_some_and(|p| p.1)),
            ("producer_steps_cached", produced.is_some_and(|p| p.1)),
            ("producer_cpu_ns", produced.is_some_and(|p| p.0.cpu_ns.is_some())),
            ("consumer_cpu_ns", consuming.iter().all(|p| p.0.cpu_ns.is_some())),
            ("producer_peak_memory_bytes", produced.is_some_and(|p| p.0.peak_memory_bytes.is_some())),
            ("consumer_peak_memory_bytes", consuming.iter().all(|p| p.0.peak_memory_bytes.is_some())),
            ("producer_peak_disk_bytes", produced.is_some_and(|p| p.0.peak_disk_bytes.is_some())),
            ("consumer_peak_disk_bytes", consuming.iter().all(|p| p.0.peak_disk_bytes.is_some())),
            ("service_cpu_ns", service.is_some()),
            ("service_peak_memory_bytes", service == Some(true)),
            ("harness_wall_ns", all(|p| p.0.harness_wall_ns.is_some())),
            ("harness_cpu_ns", all(|p| p.0.harness_cpu_ns.is_some())),
            ("load_1m", first.0.load_1m.is_some()),
            ("cpu_pressure_ns", all(|p| p.0.cpu_pressure_ns.is_some())),
            ("steal_ns", all(|p| p.0.steal_ns.is_some())),
            ("settle_ns", writeback),
            ("queue_ns", false),
        ];
        for (column, known) in known {
            let value = value(&row, column);
            prop_assert_eq!(value.is_some(), known, "{} is {:?}", column, value);
            // A service of ours stores nothing without a producer, and no span was a build's.
            let counted_zero = ["build_ns", "bytes_stored", "entries_stored"].contains(&column);
            prop_assert!(value != Some(0) || counted_zero, "{} is 0", column);
        }
    }
}

#[test]
fn trial_without_a_build_trace_has_no_build_or_transfer_time() {
    let (usage, counters) = (usage(0xff), traffic());
    for traced in [true, false] {
        let jobs = [job(&usage, traced, Some(&counters)), job(&usage, false, Some(&counters))];
        let report = TrialReport {
            producer: Some(jobs[0]),
            consumers: vec![jobs[1]],
            service: None,
            settle_ns: None,
            image_bytes: None,
        };
        let measured = report.measured();
        assert_eq!((measured.build_ns.is_some(), measured.transfer_ns().is_some()), (traced, traced));
        assert_eq!(measured.producer_steps.is_some(), traced);
        assert_eq!((measured.critical_path_ns(), measured.bytes_stored), (200, Some(12)));
    }
}

/// The image whose layers and content have these names.
fn image(layer: &str, content: Option<&str>) -> ImageIdentity {
    ImageIdentity {
        config: Some(layer.to_owned()),
        layers: Some(vec![layer.to_owned()]),
        content: content.map(str::to_owned),
        ..ImageIdentity::default()
    }
}

#[test]
fn wrong_image_fails_the_trial_and_keeps_only_its_spans() {
    let plan = sample::plan(1);
    let usage = usage(0xff);
    let mut join = TrialJoin::new(&plan.trials[0], 42, true);
    join.environment = Some("e0".to_owned());
    join.add_spans(
        Role::Producer,
        None,
        &[Span { kind: handoff_model::SpanKind::Build, detail: String::new(), start_ns: 1, end_ns: 2, bytes: None }],
    );
    join.expect_image(Some(&image("a", None)), Some(&"c".to_owned()));
    join.add_consumer(1, &job(&usage, false, None), &image("a", Some("c"))).unwrap();
    let refused = join.add_consumer(2, &job(&usage, false, None), &image("b", Some("c"))).unwrap_err();
    assert!(refused.error.starts_with("layers, config not proven equal; "), "{}", refused.error);
    let rows = join.rows(Err((Outcome::Failed, refused)));
    assert_eq!((rows.consumers.len(), rows.spans.len()), (0, 1));
    let row = rows.measurement;
    assert_eq!((row.outcome, row.failed_span.as_str(), row.seed), (Outcome::Failed, "identity", 42));
    assert_eq!((row.layers_equal, row.content_equal, row.consume_ns), (Some(false), Some(true), None));
}

#[test]
fn content_is_demanded_unless_it_is_unknown() {
    let plan = sample::plan(1);
    let usage = usage(0);
    let arrived = |built: Option<&ImageIdentity>, content: Option<&str>, found: Option<&str>| {
        let mut join = TrialJoin::new(&plan.trials[0], 42, false);
        join.expect_image(built, content.map(str::to_owned).as_ref());
        let gate = join.add_consumer(1, &job(&usage, false, None), &image("a", found));
        (gate.is_ok(), join.rows(Ok(Measured::clocks(None, 1, 1))).measurement.content_equal)
    };
    assert_eq!(arrived(None, Some("c"), Some("c")), (true, Some(true)));
    assert_eq!(arrived(None, Some("c"), None), (false, None));
    assert_eq!(arrived(None, None, Some("c")), (true, None), "no producer, and a build of the user's own");
    assert_eq!(arrived(Some(&image("b", Some("c"))), None, Some("d")), (false, Some(false)));
}
