//! A run that a matrix file lays out, cut off and resumed.

use handoff_records::Results;

use crate::kit::{Place, expect, handoff, machine};

#[test]
fn a_matrix_that_was_cut_off_goes_on_exactly_and_its_request_logs_can_be_checked() {
    let _machine = machine();
    let place = Place::new();
    let path = place.out.parent().unwrap().join("mine.toml").display().to_string();
    let text = "sizes = '16MiB'\nprofiles = 'github-hosted:call_ms=1ms'\n[[block]]\nstrategies = 'rebuild'\nrounds = 2\n\
                [[block]]\nstrategies = 'cache-tar'\nrounds = 1\n";
    std::fs::write(&path, text).unwrap();
    expect(&mut place.run(&[&path]), 0);
    let whole = place.results();
    assert_eq!(whole.measurements.len(), 3);
    assert!(whole.measurements.iter().all(|row| row.profile == "github-hosted:call_ms=1ms"));
    assert!(std::fs::read_to_string(place.out.join("report.md")).unwrap().contains("handoff run "), "it says how");

    // As after a crash: the last trial's row never got there.
    let table = place.out.join("measurements.csv");
    let rows = std::fs::read_to_string(&table).unwrap();
    let kept: Vec<&str> = rows.lines().collect();
    std::fs::write(&table, kept[..3].join("\n") + "\n").unwrap();
    let error = expect(&mut place.run(&["--resume", "--rounds", "3"]), 2).1;
    assert!(error.contains("laid out by a matrix"), "{error}");
    expect(&mut place.run(&["--resume"]), 0);
    let resumed = place.results();
    assert_eq!(resumed.plan, whole.plan);
    let trials = |of: &Results| of.measurements.iter().map(|row| row.trial.clone()).collect::<Vec<_>>();
    assert_eq!(trials(&resumed), trials(&whole));
    expect(&mut place.run(&[&path, "--resume"]), 0);

    // On a busy machine a flow may be out of bounds: what counts here is that it is found and told.
    let check = handoff(&["profiles", "--check-log"]).arg(&place.out).output().unwrap();
    let told = String::from_utf8(check.stdout).unwrap();
    assert!(told.contains("cache up") && told.contains("cache down") && told.contains("2 flows"), "{told}");
}
