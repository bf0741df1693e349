//! A run that a matrix file lays out, cut off and resumed.

use handoff_model::{DiskLimit, SpanKind};
use handoff_records::Results;

use crate::kit::{RunFolders, can_limit_disk, expect, handoff, machine};

#[test]
fn interrupted_matrix_resumes_and_its_request_logs_can_be_checked() {
    let _machine = machine();
    let folders = RunFolders::new();
    let path = folders.out.parent().unwrap().join("mine.toml").display().to_string();
    let limit = if can_limit_disk() { DiskLimit::both(50 << 20) } else { DiskLimit::NONE };
    let profile = format!("github-hosted:call_ms=1ms,disk={limit}");
    let text = format!(
        "sizes = '16MiB'\nprofiles = '{profile}'\n[[block]]\nstrategies = 'rebuild'\nrounds = 2\n\
                [[block]]\nstrategies = 'cache-tar'\nrounds = 1\n"
    );
    std::fs::write(&path, text).unwrap();
    expect(&mut folders.run(&[&path]), 0);
    let whole = folders.results();
    assert_eq!(whole.measurements.len(), 3);
    assert!(whole.measurements.iter().all(|row| row.profile == profile && row.disk_limit == limit));
    assert!(whole.environments[0].disk_limits.starts_with(&limit.to_string()));
    let first = whole.spans.iter().find(|span| span.span == SpanKind::WriteBack).expect("the image is written back");
    assert!(first.bytes > Some(1 << 20) && first.consumer == Some(1), "{first:?}");
    assert_eq!(folders.leftovers(), Vec::<String>::new());
    assert!(std::fs::read_to_string(folders.out.join("report.md")).unwrap().contains("handoff run "), "it says how");

    // As after a crash: the last trial's row never got there.
    let table = folders.out.join("measurements.csv");
    let rows = std::fs::read_to_string(&table).unwrap();
    let kept: Vec<&str> = rows.lines().collect();
    std::fs::write(&table, kept[..3].join("\n") + "\n").unwrap();
    let error = expect(&mut folders.run(&["--resume", "--rounds", "3"]), 2).1;
    assert!(error.contains("laid out by a matrix"), "{error}");
    expect(&mut folders.run(&["--resume"]), 0);
    let resumed = folders.results();
    assert_eq!(resumed.plan, whole.plan);
    let trials = |of: &Results| of.measurements.iter().map(|row| row.trial.clone()).collect::<Vec<_>>();
    assert_eq!(trials(&resumed), trials(&whole));
    expect(&mut folders.run(&[&path, "--resume"]), 0);

    // On a busy machine a flow may be out of bounds: what counts here is that it is found and told.
    let check = handoff(&["profiles", "--check-log"]).arg(&folders.out).output().unwrap();
    let output = String::from_utf8(check.stdout).unwrap();
    assert!(output.contains("cache up") && output.contains("cache down") && output.contains("2 flows"), "{output}");
}
