//! Rows of completed and of failed trials.

use handoff_model::plan::{Plan, PlanRequest, Trial};
use handoff_model::{Failure, IdentityCheck, StepCount};
use proptest::prelude::*;

use super::*;
use crate::rows::Measured;

fn trial() -> Trial {
    let request =
        PlanRequest { sizes: vec![ByteSize(1 << 26)], ..PlanRequest::of(vec!["artifact:level=6".parse().unwrap()]) };
    Plan::new(request).unwrap().trials.remove(0)
}

fn measurement(result: Result<Box<Measured>, (Outcome, Failure)>) -> Measurement {
    Measurement {
        trial: trial(),
        environment: Some("e".into()),
        started_at: Some("2026-01-01T00:00:00Z".into()),
        source: "output".into(),
        client: "@actions/artifact 6.2.1".into(),
        import: String::new(),
        seed: 7,
        contended: false,
        queue_ns: None,
        identity: IdentityCheck::default(),
        result,
    }
}

#[test]
fn failed_trial_has_a_reason_and_no_numbers() {
    let row = MeasurementRow::from(&measurement(Err((Outcome::Failed, Failure::new("load", "no space")))));
    assert_eq!((row.failed_span.as_str(), row.error.as_str()), ("load", "no space"));
    let json = serde_json::to_value(&row).unwrap();
    for (column, value) in json.as_object().unwrap() {
        if column.ends_with("_ns")
            || column.starts_with("bytes_")
            || column.ends_with("_bytes") && column != "size_bytes"
        {
            assert!(value.is_null(), "{column} is {value}");
        }
    }
}

#[test]
fn transfer_is_the_critical_path_without_the_build_and_empty_without_a_producer() {
    let measured = Measured { build_ns: Some(30), ..Measured::clocks(Some(100), 50, 150) };
    let row = MeasurementRow::from(&measurement(Ok(Box::new(measured.clone()))));
    assert_eq!((row.critical_path_ns, row.transfer_ns), (Some(150), Some(120)));
    assert_eq!(row.cell().unwrap(), trial().cell);
    let alone = Measured { produce_ns: None, ..measured };
    assert_eq!((alone.critical_path_ns(), alone.transfer_ns()), (50, None));
}

/// Columns of a completed trial's row that hold a number, and are empty where it is not known.
fn numbers(measured: Measured) -> Vec<(String, serde_json::Value)> {
    let known = [
        "schema_version",
        "round",
        "position",
        "size_bytes",
        "consumers",
        "consumer_concurrency",
        "builder_pull_ms",
        "seed",
    ];
    let row = MeasurementRow::from(&measurement(Ok(Box::new(measured))));
    let serde_json::Value::Object(columns) = serde_json::to_value(&row).unwrap() else { panic!("a row is an object") };
    let measured = |name: &String, value: &serde_json::Value| {
        !known.contains(&name.as_str()) && (value.is_number() || value.is_null()) && !name.ends_with("_equal")
    };
    columns.into_iter().filter(|(name, value)| measured(name, value)).collect()
}

#[test]
fn trial_with_only_clocks_has_no_other_numbers() {
    let found = numbers(Measured::clocks(Some(100), 50, 150));
    let named: Vec<&str> = found.iter().filter(|(_, v)| !v.is_null()).map(|(n, _)| n.as_str()).collect();
    assert_eq!(named, ["produce_ns", "consume_ns", "critical_path_ns", "runner_ns"]);
}

proptest! {
    #[test]
    fn unknown_values_are_empty_and_never_zero(values in prop::collection::vec(prop::option::of(1u64..1 << 40), 29)) {
        let mut next = values.iter().copied();
        let mut next = || next.next().flatten();
        // Every field is named: a new one is an error here until it is part of the test.
        let measured = Measured {
            produce_ns: next().map(|ns| ns + (1 << 41)),
            consume_ns: 50,
            runner_ns: 150,
            build_ns: next(),
            bytes_up: next(),
            bytes_down: next(),
            bytes_stored: next(),
            entries_stored: next(),
            entries_reused: next(),
            bytes_reused: next(),
            producer_steps: next().map(|n| StepCount { executed: n, cached: n }),
            requests: next(),
            retries: next(),
            connections: next(),
            producer_cpu_ns: next(),
            consumer_cpu_ns: next(),
            producer_peak_memory_bytes: next(),
            consumer_peak_memory_bytes: next(),
            producer_peak_disk_bytes: next(),
            consumer_peak_disk_bytes: next(),
            service_cpu_ns: next(),
            service_peak_memory_bytes: next(),
            harness_wall_ns: next(),
            harness_cpu_ns: next(),
            load_1m: next().map(|n| n as f64),
            cpu_pressure_ns: next(),
            steal_ns: next(),
            settle_ns: next(),
            image_bytes: next(),
            throttled: next(),
            producer_written_bytes: next(),
        };
        let unknown = values.iter().filter(|v| v.is_none()).count();
        let steps_unknown = usize::from(measured.producer_steps.is_none());
        let transfer_unknown = usize::from(measured.transfer_ns().is_none());
        let found = numbers(measured);
        // The steps are two columns; `transfer_ns` is made of two; `queue_ns` and `spans` are not measured by a job.
        let empty = found.iter().filter(|(_, value)| value.is_null()).count();
        prop_assert_eq!(empty, unknown + steps_unknown + transfer_unknown + 2, "{:?}", found);
        for (name, value) in found {
            prop_assert!(value.as_f64() != Some(0.0), "{} is {}", name, value);
        }
    }
}

#[test]
fn user_image_built_by_every_job_has_no_content_to_compare() {
    let alone = |workload: &str, produce| {
        let done = Measured::clocks(produce, 50, 50 + produce.unwrap_or(0));
        let mut row = MeasurementRow::from(&measurement(Ok(Box::new(done))));
        row.workload = workload.to_owned();
        row.contradiction()
    };
    assert_eq!(alone("context:app", None), None);
    for (workload, produce) in [("typical", None), ("context:app", Some(9))] {
        let found = alone(workload, produce);
        assert!(found.as_ref().is_some_and(|f| f.contains("`content_equal` is empty")), "{workload}: {found:?}");
    }
}
