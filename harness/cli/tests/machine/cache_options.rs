//! Effects of the options of the cache strategies, as their rows show them.

use handoff_model::Outcome;
use handoff_records::MeasurementRow;

use crate::kit::{RunFolders, expect, machine};

#[test]
fn cache_options_change_what_is_cached() {
    let _machine = machine();
    let folders = RunFolders::new();
    let strategies = "gha-cache,gha-cache:mode=min,local-cache,local-cache:mode=min,gha-cache:images=2,\
                      gha-cache:images=2,scope=shared,local-cache:pushes=3,local-cache:pushes=3,move=false";
    let args = ["--sizes", "16MiB", "--rounds", "1", "--workload", "multi-stage", "--strategies", strategies];
    // The second image's export leaves nothing of the first one under their shared scope.
    expect(&mut folders.run(&args), 1);
    let results = folders.results();
    let row =
        |spec: &str| -> &MeasurementRow { results.measurements.iter().find(|r| r.spec() == spec.parse()).unwrap() };
    let completed = |spec: &str| {
        let row = row(spec);
        assert_eq!(row.outcome, Outcome::Completed, "{spec}: {} {}", row.failed_span, row.error);
        assert_eq!((row.content_equal, row.layers_equal), (Some(true), Some(true)), "{spec}");
        row
    };
    let stored = |spec: &str| completed(spec).bytes_stored.unwrap();
    let steps = |spec: &str| completed(spec).producer_steps_executed.unwrap();
    // The builder stage's layers: 45 % of the image's bytes.
    for (max, min) in [("gha-cache", "gha-cache:mode=min"), ("local-cache", "local-cache:mode=min")] {
        assert!(stored(max) * 10 > stored(min) * 13, "{max}: {} and {}", stored(max), stored(min));
        assert_eq!(steps(max), steps(min), "{max}");
    }
    let shared = row("gha-cache:images=2,scope=shared");
    assert_eq!(shared.outcome, Outcome::Failed);
    assert!(shared.error.contains("cache missed: "), "{}", shared.error);
    assert!(stored("gha-cache:images=2") * 10 > stored("gha-cache") * 17, "two images of one size");
    // One step of each later push is new, and what earlier pushes left is the last layers of their own.
    let (moved, kept) = ("local-cache:pushes=3", "local-cache:pushes=3,move=false");
    assert_eq!((steps(moved), steps(kept)), (1, 1));
    assert!(stored(kept) > stored(moved), "{} and {}", stored(kept), stored(moved));
    assert!(
        stored(moved).abs_diff(stored("local-cache")) * 50 < stored(moved),
        "a new folder is as large as the first"
    );
    assert!(folders.out.join("logs").join(&row(kept).trial).join("priming-2").exists());
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn denied_cache_writes_fail_every_cache_strategy_and_no_artifact() {
    let _machine = machine();
    let folders = RunFolders::new();
    let strategies = "cache-tar,local-cache,gha-cache,relay:store=cache,artifact";
    let denied = ["--sizes", "64MiB", "--rounds", "1", "--profile", "loopback:cache.writes=denied"];
    expect(folders.run(&denied).args(["--strategies", strategies]), 1);
    let results = folders.results();
    assert_eq!(results.measurements.len(), 5);
    for row in &results.measurements {
        let how = format!("{} {}: {}: {}", row.spec().unwrap(), row.outcome, row.failed_span, row.error);
        if row.strategy == "artifact" {
            assert_eq!(row.outcome, Outcome::Completed, "{how}");
            continue;
        }
        assert_eq!(row.outcome, Outcome::Failed, "{how}");
        assert!(row.error.contains("cache write denied: "), "{how}");
        assert_eq!(row.bytes_stored.unwrap_or(0), 0, "{how}");
    }
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}
