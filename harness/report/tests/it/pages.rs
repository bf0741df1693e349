//! The page and its charts.

use std::collections::BTreeMap;
use std::fs;

use crate::kit::{Made, committed, looks};
use handoff_report::{Link, Report, Run, charts, html, markdown};

const REFERENCE: &str = "2026-11-23-reference-loopback";

fn links() -> BTreeMap<String, Link> {
    let mib = 1_048_576.0;
    [("github-hosted".to_owned(), Link { up: 186.0 * mib, down: 120.0 * mib })].into()
}

fn report(run: Run) -> Report {
    Report::new(vec![run]).unwrap().with_links(links())
}

/// Writes all that a person should look at.
#[test]
fn pages_are_there_to_look_at() {
    for (name, run) in [("reference", committed(REFERENCE)), ("many", Made::many().run())] {
        let report = report(run);
        let dir = looks().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("report.html"), html(&report)).unwrap();
        fs::write(dir.join("report.md"), markdown(&report)).unwrap();
        for chart in charts(&report) {
            fs::write(dir.join(format!("{}.png", chart.name)), chart.png()).unwrap();
            fs::write(dir.join(format!("{}.svg", chart.name)), chart.svg()).unwrap();
        }
    }
}
