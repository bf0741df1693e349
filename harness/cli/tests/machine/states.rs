//! Cache states and several consumers, as their rows show them.

use std::collections::BTreeMap;

use handoff_model::{CacheState, Outcome, SpanKind};
use handoff_records::MeasurementRow;

use crate::kit::{RunFolders, expect, machine};

#[test]
fn warm_cache_saves_what_each_strategy_can_reuse() {
    let _machine = machine();
    let folders = RunFolders::new();
    let args = [
        "--sizes",
        "64MiB",
        "--rounds",
        "1",
        "--strategies",
        "cache-tar,gha-cache,local-cache",
        "--cache-state",
        "warm,one-layer",
    ];
    expect(&mut folders.run(&args), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), 6);
    let mut rows: BTreeMap<(&str, CacheState), &MeasurementRow> = BTreeMap::new();
    for row in &results.measurements {
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.trial, row.failed_span, row.error);
        assert_eq!((row.content_equal, row.layers_equal), (Some(true), Some(true)), "{}", row.trial);
        rows.insert((&row.strategy, row.cache_state), row);
        assert_eq!(row.throttled, Some(0), "{}", row.trial);
        let primed = folders.out.join("logs").join(&row.trial).join("priming").exists();
        assert!(primed, "{}", row.trial);
    }
    let steps = |row: &MeasurementRow| (row.producer_steps_executed.unwrap(), row.producer_steps_cached.unwrap());
    let up = |row: &MeasurementRow| row.bytes_up.unwrap();
    // A tar is there as a whole or not at all: with another last layer everything is done and sent as if nothing had been.
    let cold = rows[&("cache-tar", CacheState::OneLayer)];
    let all = steps(cold).0;
    assert!(all > 2 && steps(cold).1 == 0, "{:?}", steps(cold));
    assert_eq!((cold.entries_reused, cold.bytes_reused), (Some(0), Some(0)));
    for strategy in ["cache-tar", "gha-cache", "local-cache"] {
        let [warm, one] = [CacheState::Warm, CacheState::OneLayer].map(|s| rows[&(strategy, s)]);
        // The same commit: nothing is built. The builder's own cache is asked step by step, the others are not even built.
        assert_eq!(steps(warm), (0, if strategy == "gha-cache" { all } else { 0 }), "{strategy}");
        assert_eq!(warm.build_ns, Some(0), "{strategy}");
        assert!(warm.entries_reused >= Some(1), "{strategy}");
        assert!(warm.bytes_reused.unwrap() * 10 > up(cold) * 9, "{strategy}: {warm:?}");
        assert!(up(warm) * 100 < up(cold), "{strategy} sends nothing but an index at most: {}", up(warm));
        // Another last layer.
        match strategy {
            "cache-tar" => {}
            // The folder is sent as a whole.
            "local-cache" => {
                assert_eq!((steps(one), one.entries_reused), ((1, all - 1), Some(1)));
                assert!(up(one) * 10 > up(cold) * 9 && one.bytes_down.unwrap() > cold.bytes_down.unwrap() * 3 / 2);
            }
            // Only what is new is sent.
            _ => {
                assert_eq!(steps(one), (1, all - 1));
                assert!(up(one) * 10 < up(cold), "{} of {}", up(one), up(cold));
                assert!(one.entries_reused.unwrap() >= all - 1, "{:?}", one.entries_reused);
            }
        }
    }
    let (stdout, _) = expect(&mut folders.plan(&["--cache-state", "warm", "--strategies", "artifact,gha-cache"]), 0);
    let of = |name: &str| stdout.lines().find(|l| l.contains(name)).unwrap().to_owned();
    assert!(of(" artifact ").contains("warm caches (it stores nothing that outlives a run)"), "{stdout}");
    assert!(of(" gha-cache ").contains("warm caches, "), "{stdout}");
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn relay_with_cache_sends_the_changed_layer_only() {
    let _machine = machine();
    let folders = RunFolders::new();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "relay:store=cache,gha-cache"];
    let states = ["--cache-state", "cold,warm,one-layer"];
    expect(&mut folders.run(&[&args[..], &states].concat()), 0);
    let results = folders.results();
    let row = |state: CacheState| {
        let row = results.measurements.iter().find(|r| r.strategy == "relay" && r.cache_state == state).unwrap();
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.trial, row.failed_span, row.error);
        assert_eq!((row.content_equal, row.layers_equal), (Some(true), Some(true)), "{}", row.trial);
        (row, row.producer_steps_executed.unwrap(), row.producer_steps_cached.unwrap(), row.bytes_up.unwrap())
    };
    let (_, all, _, cold) = row(CacheState::Cold);
    let (_, executed, cached, up) = row(CacheState::OneLayer);
    assert_eq!((executed, cached), (1, all - 1));
    assert!(up * 50 < cold, "{up} of {cold}");
    // What the builder's own cache sends of the same change, and a table with the blobs that are too small for an entry.
    let gha = results.measurements.iter().find(|r| r.strategy == "gha-cache" && r.cache_state == CacheState::OneLayer);
    let gha = gha.unwrap().bytes_up.unwrap();
    assert!(up < gha + (256 << 10), "{up}, where gha-cache sends {gha}");
    let (_, executed, _, up) = row(CacheState::Warm);
    assert_eq!((executed, up), (0, 0), "the same commit: nothing is built, nothing is sent");
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn changed_early_layer_rebuilds_all_later_steps() {
    let _machine = machine();
    let folders = RunFolders::new();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "gha-cache", "--cache-state", "base-layer"];
    expect(&mut folders.run(&args), 0);
    for row in &folders.results().measurements {
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.trial, row.failed_span, row.error);
        assert_eq!(row.producer_steps_cached, Some(1), "the probe's COPY alone is before it");
        assert!(row.producer_steps_executed > Some(2) && row.entries_reused > Some(0), "{row:?}");
        assert!(row.bytes_up.unwrap() > row.bytes_reused.unwrap() * 4, "{row:?}");
    }
}

#[test]
fn each_consumer_is_a_row_and_the_slowest_sets_the_critical_path() {
    two_consumers(&[], 1);
}

#[test]
fn concurrent_consumers_overlap_and_are_marked_contended() {
    two_consumers(&["--consumer-concurrency", "2"], 2);
}

fn two_consumers(at_once: &[&str], n: u32) {
    let _machine = machine();
    let folders = RunFolders::new();
    let cores = std::thread::available_parallelism().unwrap().get();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "cache-tar,rebuild", "--consumers", "2"];
    expect(folders.run(&args).args(at_once), 0);
    let results = folders.results();
    assert_eq!((results.measurements.len(), results.consumers.len()), (2, 4));
    for row in &results.measurements {
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.trial, row.failed_span, row.error);
        assert_eq!(row.consumer_concurrency, n, "{}", row.trial);
        // Two on two cores measure the cores.
        assert_eq!(row.contended, n > 1 && n as usize * 2 > cores, "{}", row.trial);
        let times: Vec<u64> = results.consumers.iter().filter(|c| c.trial == row.trial).map(|c| c.consume_ns).collect();
        assert_eq!(row.consume_ns, times.iter().copied().max());
        assert_eq!(row.runner_ns.unwrap(), row.produce_ns.unwrap_or(0) + times.iter().sum::<u64>());
        let builders = results.spans.iter().filter(|s| s.trial == row.trial && s.span == SpanKind::Build);
        let jobs: std::collections::BTreeSet<_> = builders.map(|s| s.consumer).collect();
        let all = if row.strategy == "rebuild" { row.consumers as usize } else { 1 };
        assert_eq!(jobs.len(), all, "{}: every job of `rebuild` builds for itself", row.trial);
    }
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}
