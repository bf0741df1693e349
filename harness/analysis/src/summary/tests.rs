//! What a summary may and may not depend on.

use handoff_model::{Failure, IdentityCheck, Plan, PlanRequest};
use handoff_records::{Measured, Measurement};
use proptest::prelude::*;

use super::*;

/// Made-up numbers of a trial; `None` is a trial that failed.
type Numbers = Option<(u64, u64, u64, Option<bool>)>;

fn summaries(rows: &[MeasurementRow]) -> Vec<CellSummary> {
    summaries_of(&[RunRows { run: "", facts: &[], measurements: rows, consumers: &[], spans: &[] }])
}

fn plan(rounds: u32) -> Plan {
    Plan::new(PlanRequest {
        sizes: vec!["64MiB".parse().unwrap(), "1GiB".parse().unwrap()],
        rounds,
        ..PlanRequest::of(StrategySpec::parse_list("artifact,artifact:level=6,rebuild").unwrap())
    })
    .unwrap()
}

fn measured(produce: Option<u64>, consume: u64, build: u64) -> Measured {
    Measured {
        build_ns: Some(build),
        bytes_up: Some(produce.unwrap_or(0) / 2),
        bytes_down: Some(consume / 2),
        bytes_stored: Some(produce.unwrap_or(0) / 2),
        entries_stored: Some(1),
        requests: Some(9),
        retries: Some(0),
        connections: Some(3),
        producer_cpu_ns: produce,
        consumer_cpu_ns: Some(consume),
        consumer_peak_memory_bytes: Some(1),
        consumer_peak_disk_bytes: Some(1),
        service_cpu_ns: Some(1),
        service_peak_memory_bytes: Some(1),
        harness_wall_ns: Some(2),
        harness_cpu_ns: Some(3),
        load_1m: Some(0.0),
        steal_ns: Some(0),
        settle_ns: Some(0),
        image_bytes: Some(64 << 20),
        throttled: Some(0),
        producer_written_bytes: None,
        ..Measured::clocks(produce, consume, produce.unwrap_or(0) + consume)
    }
}

fn rows(numbers: &[Numbers]) -> Vec<MeasurementRow> {
    let plan = plan(8);
    assert!(numbers.len() <= plan.trials.len());
    let row = |(trial, numbers): (&handoff_model::Trial, &Numbers)| {
        let produces = trial.cell.strategy.name != "rebuild";
        let result = match numbers {
            Some((produce, consume, build, _)) => {
                Ok(Box::new(measured(produces.then_some(*produce), *consume, *build)))
            }
            None => Err((Outcome::Failed, Failure::new("load", format!("failed in {}", trial.id)))),
        };
        MeasurementRow::from(&Measurement {
            trial: trial.clone(),
            environment: Some("e".into()),
            started_at: None,
            source: "save".into(),
            client: String::new(),
            import: String::new(),
            seed: 1,
            contended: false,
            queue_ns: None,
            identity: IdentityCheck { index: numbers.and_then(|n| n.3), ..IdentityCheck::default() },
            result,
        })
    };
    plan.trials.iter().zip(numbers).map(row).collect()
}

fn numbers() -> impl Strategy<Value = Vec<Numbers>> {
    let ns = 1u64..1_000_000_000_000;
    let one = (ns.clone(), ns.clone(), ns, any::<Option<bool>>());
    prop::collection::vec(prop::option::weighted(0.7, one), 0..48)
}

#[test]
fn cell_summary_matches_values_computed_by_hand() {
    let plan = plan(8);
    let numbers: Vec<Numbers> = plan
        .trials
        .iter()
        .map(|t| (t.round != 2).then_some((u64::from(t.round) * 100, 50, 30, Some(t.round > 4))))
        .collect();
    let all = summaries(&rows(&numbers));
    assert_eq!(all.len(), 6);
    let artifact = all.iter().find(|s| s.cell.strategy == StrategySpec::plain("artifact")).unwrap();
    assert_eq!((artifact.n, artifact.failures.len(), artifact.trials()), (7, 1, 8));
    assert_eq!(artifact.produce.as_ref().unwrap().samples(), [100, 300, 400, 500, 600, 700, 800]);
    assert_eq!(artifact.transfer.as_ref().unwrap().median(), 500 + 50 - 30);
    assert_eq!(artifact.critical_path.as_ref().unwrap().max(), 850);
    assert_eq!(artifact.harness_ppm.as_ref().unwrap().max(), 5 * 1_000_000 / 150);
    assert_eq!((artifact.identity.index.equal, artifact.identity.index.different), (4, 3));
    assert!(artifact.failures[0].error.starts_with("failed in "));
    let rebuild = all.iter().find(|s| s.cell.strategy.name == "rebuild").unwrap();
    assert_eq!((&rebuild.transfer, &rebuild.produce), (&None, &None));
    assert_eq!(rebuild.critical_path.as_ref().unwrap().median(), 50);
}

proptest! {
    #[test]
    fn row_order_does_not_change_the_result(numbers in numbers(), keys in prop::collection::vec(any::<u32>(), 48)) {
        let rows = rows(&numbers);
        let mut shuffled: Vec<_> = rows.iter().cloned().zip(&keys).collect();
        shuffled.sort_by_key(|(_, key)| **key);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(row, _)| row).collect();
        prop_assert_eq!(summaries(&shuffled), summaries(&rows));
    }

    #[test]
    fn failed_rows_change_no_numbers(numbers in numbers()) {
        let rows = rows(&numbers);
        let completed: Vec<_> = rows.iter().filter(|r| r.outcome == Outcome::Completed).cloned().collect();
        let mut all = summaries(&rows);
        prop_assert_eq!(all.iter().map(CellSummary::trials).sum::<usize>(), rows.len());
        for summary in &mut all {
            summary.failures.clear();
            if summary.n == 0 {
                prop_assert!(summary.critical_path.is_none() && summary.requests.is_none());
            }
        }
        all.retain(|s| s.n > 0);
        prop_assert_eq!(all, summaries(&completed));
    }
}
