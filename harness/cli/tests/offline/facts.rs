//! Reports of strategies that this program does not know: what it must know of them is in plan.json.

use std::fs;
use std::path::Path;

use handoff_model::{Colour, Marker, Storage, StrategySpec, VariantFacts};
use serde_json::{Value, json};

use crate::support::{SampleRuns, request};
use crate::support::{expect, handoff};

const PLANNED: &str = "artifact,eighth,eighth:fast=yes,again";

/// Facts of the strategies that are unknown here; `again` is a baseline.
fn facts(strategy: StrategySpec) -> VariantFacts {
    let shares = strategy.name == "eighth";
    VariantFacts {
        storage: if shares { Storage::Cache } else { Storage::None },
        moves_image: shares,
        has_producer: shares,
        ours: shares,
        colour: Colour(0x12, 0x34, 0x56),
        marker: Marker::Diamond,
        strategy,
    }
}

/// A folder of a run, with these facts in its plan.
fn folder(samples: &SampleRuns, name: &str, facts: &[VariantFacts]) -> String {
    let dir = samples.run(name, request(PLANNED, &["1GiB"], 8), 2, |trial| {
        let wobble = f64::from(trial.round) / 10.0;
        Some(match trial.cell.strategy.name.as_str() {
            "again" => (0.0, 30.0 + wobble),
            "eighth" => (8.0, 9.0 + wobble),
            _ => (20.0, 20.0 + wobble),
        })
    });
    let plan = Path::new(&dir).join("plan.json");
    let mut stored: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    stored["facts"] = json!(facts);
    fs::write(&plan, serde_json::to_vec(&stored).unwrap()).unwrap();
    dir
}

fn analysis(dir: &str) -> Value {
    let text = expect(&mut handoff(&["report", dir, "--format", "json"]), 0).0;
    serde_json::from_str::<Value>(&text).unwrap()["analysis"].take()
}

/// Values of a field of a list's entries.
fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|entry| entry.pointer(field).unwrap().as_str().unwrap()).collect()
}

#[test]
fn unknown_strategy_is_reported_by_the_facts_of_its_plan() {
    let samples = SampleRuns::new();
    let specs = StrategySpec::parse_list(PLANNED).unwrap();
    // Nothing is said of `artifact`: the list compiled in knows it.
    let dir = folder(&samples, "eighth", &specs[1..].iter().cloned().map(facts).collect::<Vec<_>>());
    let all = analysis(&dir);
    assert_eq!(all["groups"][0]["reference"], "again", "the strategy without a producer");
    assert_eq!(each(&all["break_even"], "/cell/strategy"), ["artifact", "eighth", "eighth:fast=yes"]);
    assert_eq!(each(&all["storage"], "/storage"), ["none", "artifact", "cache", "cache"]);

    let out = samples.dir.join("out").display().to_string();
    expect(&mut handoff(&["report", &dir, "--out", &out]), 0);
    let read = |file: &str| fs::read_to_string(Path::new(&out).join(file)).unwrap();
    let (text, page, chart) = (read("report.md"), read("report.html"), read("plots/pareto.svg"));
    assert!(
        text.contains("## Eighth beside the others") && text.contains("`eighth` is part of this project."),
        "{text}"
    );
    assert!(text.contains("against 30."), "{text}");
    let row = |name: &str| text.find(&format!("\n| {name} |")).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(row("eighth") < row("eighth:fast=yes") && row("eighth:fast=yes") < row("again"), "the baseline is last");
    assert!(page.contains("#123456") && chart.contains("#123456"), "its colour is in page and charts");
}

#[test]
fn strategy_without_facts_is_grey_and_its_storage_is_not_guessed() {
    let samples = SampleRuns::new();
    let dir = folder(&samples, "unknown", &[]);
    let all = analysis(&dir);
    assert_eq!(each(&all["storage"], "/cell/strategy"), ["artifact"]);
    assert_eq!(all["groups"][0]["reference"], "artifact", "no strategy is known to be a baseline");
    let out = samples.dir.join("out").display().to_string();
    expect(&mut handoff(&["report", &dir, "--out", &out]), 0);
    let text = fs::read_to_string(Path::new(&out).join("report.md")).unwrap();
    assert!(text.contains("\n| eighth |") && !text.contains("part of this project"), "{text}");
}
