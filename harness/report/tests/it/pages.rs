//! Pages and charts: reproducible, complete for every kind of run, and no chart without data.

use std::collections::BTreeMap;

use handoff_model::{CacheState, Conditions, ImageStore, Outcome};
use handoff_records::MeasurementRow;
use handoff_records::Results;
use handoff_report::{Report, charts, chrome_trace, html, markdown, terminal};

use crate::kit::{SampleRun, report, write};

fn fail(row: &mut MeasurementRow, error: &str) {
    row.outcome = Outcome::Failed;
    row.failed_span = "load".into();
    row.error = error.into();
    row.produce_ns = None;
    row.consume_ns = None;
    row.critical_path_ns = None;
    row.transfer_ns = None;
    row.runner_ns = None;
    row.build_ns = None;
    row.bytes_up = None;
    row.bytes_down = None;
    row.bytes_stored = None;
}

/// Renders every document of a report, and checks what each page has.
fn whole(runs: Vec<Results>) -> (Report, String, String) {
    let report = report(runs);
    let (page, text) = (html(&report), markdown(&report));
    terminal(&report, 100, false);
    let sections = [
        "Verdicts",
        "Where the time goes",
        "Sizes",
        "Fan-out",
        "Identity",
        "The spike's statements",
        "Storage and cost",
        "Failures",
        "Environment",
        "Threats to validity",
        "To run it again",
    ];
    let mut from = 0;
    for section in sections {
        let at = text[from..].find(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no `{section}` in order"));
        from += at;
        assert!(page.contains(&format!(">{section}</h2>")), "{section}");
    }
    check_first_screen(&page, &text);
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("NaN") && !page.contains("inf s"));
    assert_eq!(page.matches("<figure").count(), charts(&report).len());
    for chart in charts(&report) {
        assert!(!chart.table.rows.is_empty() && !chart.alternative.is_empty(), "{}", chart.name);
        assert!(chart.svg(false).matches("<text").count() > 4, "{}", chart.name);
    }
    (report, page, text)
}

/// Chart, answer and summary table come first, and the table has at most five columns.
fn check_first_screen(page: &str, text: &str) {
    let first = page.split_once("<div class=\"first\">").unwrap().1.split_once("<nav").unwrap().0;
    let at = |what: &str| first.find(what).unwrap_or_else(|| panic!("no {what}: {first}"));
    assert!(at("class=\"lead\"") < at("<table class=\"fit\">"), "answer before table");
    assert!(!first.contains("<figure>") || at("<figure>") < at("class=\"lead\""), "chart before answer");
    let header = text.lines().find(|line| line.starts_with("| Approach |")).unwrap();
    assert!(header.matches('|').count() <= 6, "{header}");
    assert!(text.contains("\nSections: ["), "{text}");
}

#[test]
fn same_rows_give_the_same_files() {
    let of = || {
        let report = report(vec![SampleRun::three_rounds().run()]);
        let charts: Vec<_> =
            charts(&report).iter().map(|c| (c.name.clone(), [c.svg(false), c.svg(true)], c.png())).collect();
        (html(&report), markdown(&report), charts)
    };
    let (first, second) = (of(), of());
    assert!(first == second);
    let names: Vec<&str> = first.2.iter().map(|c| c.0.as_str()).collect();
    assert_eq!(names, ["samples-critical-path", "timeline", "samples-transfer", "fan-out", "pareto"]);
    // A PNG in which nothing is drawn would be far smaller.
    assert!(first.2.iter().all(|c| c.2.len() > 10_000 && c.1.iter().all(|svg| svg.starts_with("<svg"))));
}

#[test]
fn every_strategy_and_sample_is_shown() {
    let (report, page, text) = whole(vec![SampleRun::three_rounds().run()]);
    for line in &report.groups[0].lines {
        assert!(text.contains(&format!("| {} |", line.name)), "{}", line.name);
        for sample in line.cells[0].as_ref().unwrap().critical_path.as_ref().unwrap().samples() {
            let shown = format!("{:.1}", *sample as f64 / 1e9);
            assert!(page.contains(&shown), "{}: no sample {shown}", line.name);
        }
    }
    assert!(text.contains("3 of 8 rounds"), "missing rounds are said: {text}");
}

#[test]
fn many_cells_have_distinct_names_and_fit_a_summary() {
    let (report, page, text) = whole(vec![SampleRun::many().run()]);
    write("many", &report);
    assert!(text.len() < 1 << 20 && text.contains("profile github-hosted, 11 consumers"));
    assert!(page.contains("The dashed line is the limit"), "the shaped profile has a limit");
    assert!(text.contains("over 256MiB, 1GiB, 3GiB together"), "sizes pool");
    let mut names: Vec<String> = charts(&report).into_iter().map(|c| c.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn tables_name_the_conditions_that_differ() {
    let base = Conditions::default();
    let conditions = vec![
        base.clone(),
        Conditions { image_store: ImageStore::Overlay2, ..base.clone() },
        Conditions { cache_state: CacheState::Warm, ..base },
    ];
    let (_, _, text) = whole(vec![SampleRun { conditions, ..SampleRun::one() }.run()]);
    assert!(text.contains("overlay2 store, cold caches") && text.contains("containerd store, warm caches"), "{text}");
    assert!(!text.contains("profile loopback, containerd store, cold caches\n"), "what does not differ is not said");
}

#[test]
fn relay_is_compared_with_the_two_best_stock_ways() {
    let strategies = "cache-tar,local-cache,zstd-stream,zstd-stream:ranges=8,relay,rebuild";
    let mut run = SampleRun { strategies, ..SampleRun::one() }.run();
    for row in &mut run.measurements {
        let seconds = match (row.strategy.as_str(), row.variant.as_str()) {
            ("cache-tar", _) => 40,
            ("local-cache", _) => 30,
            ("zstd-stream", "") => 50,
            // A connection plan of ours: nobody has it without this project.
            ("zstd-stream", _) => 5,
            ("relay", _) => 20,
            _ => continue,
        };
        row.transfer_ns = Some(seconds * 1_000_000_000);
    }
    let (_, page, text) = whole(vec![run]);
    let at = text.find("\n## Relay beside the others").expect("a section");
    let section = &text[at..at + text[at..].find("\n## Fan-out").unwrap()];
    let row = "| 64MiB | relay | 20.0 [20.0–20.0] (1) | local-cache | 30.0 [30.0–30.0] (1) | cache-tar | 40.0 [40.0–40.0] (1) | 0.67 [0.67–0.67] |";
    assert!(section.contains(row) && !section.contains("ranges=8"), "{section}");
    assert!(
        section.contains("slowest consumer's time of `cache-tar`") && !section.contains("the transfer of"),
        "{section}"
    );
    assert!(section.contains("```text\nproducer job") && page.contains("<pre class=\"drawing\""));
    let (_, _, text) = whole(vec![SampleRun::one().run()]);
    assert!(!text.contains("Relay beside"), "no relay, no section");
}

#[test]
fn report_says_how_images_of_relay_came_into_the_engine() {
    let section = |image_store, way: &str| {
        let conditions = vec![Conditions { image_store, ..Conditions::default() }];
        let mut run = SampleRun { strategies: "cache-tar,relay,rebuild", conditions, ..SampleRun::one() }.run();
        for row in run.measurements.iter_mut().filter(|row| row.strategy == "relay") {
            way.clone_into(&mut row.import);
        }
        whole(vec![run]).2
    };
    let only_transport = "is only a faster transport there";
    let pulled = section(ImageStore::Overlay2, "pull");
    assert!(pulled.contains(only_transport) && pulled.contains("pulled by the engine"), "{pulled}");
    assert!(section(ImageStore::Overlay2, "").contains(only_transport), "older rows were pulled");
    for text in [section(ImageStore::Overlay2, "import"), section(ImageStore::Containerd, "import")] {
        assert!(
            !text.contains(only_transport) && text.contains("imported into the engine's containerd store"),
            "{text}"
        );
    }
    let fallback = section(ImageStore::Containerd, "pull");
    assert!(!fallback.contains(only_transport) && fallback.contains("pulled by the engine"), "{fallback}");
}

#[test]
fn report_of_a_user_image_begins_with_its_name_and_advice() {
    let report = report(vec![SampleRun::of_user_image()]);
    let (page, text) = (html(&report), markdown(&report));
    write("user-image", &report);
    check_first_screen(&page, &text);
    assert!(text.starts_with("# my-app (1GiB): ways to hand it to other jobs"), "{text}");
    assert!(text.contains("\nFor your image `my-app` (1GiB), `"), "{text}");
    let command = "handoff recommend results/my-app --consumers 1 --pushes-per-day 10 --image-size 1GiB";
    assert!(text.find(command) < text.find("\nSections: ["), "{text}");
}

#[test]
fn single_round_is_inconclusive() {
    let (_, page, text) = whole(vec![SampleRun::one().run()]);
    assert!(text.contains("1 of 8 rounds") && text.contains("inconclusive"), "{text}");
    assert!(!text.contains("| faster |") && !text.contains("| slower |"));
    assert!(page.contains("n=1"));
}

#[test]
fn failures_and_missing_rows_are_shown() {
    let mut run = SampleRun::several().run();
    for row in run.measurements.iter_mut().filter(|r| r.strategy == "cache-tar" && r.round < 4) {
        fail(row, "no space left | <b>on</b> device");
    }
    run.measurements.retain(|r| r.strategy != "zstd-stream");
    let (_, page, text) = whole(vec![run]);
    assert!(text.contains("not run yet") && text.contains("no space left \\| &lt;b>on&lt;/b> device"), "{text}");
    assert!(page.contains("&lt;b>on&lt;/b>") && text.contains("No rank at 1GiB"));
}

#[test]
fn run_without_completed_trials_has_no_chart() {
    let mut run = SampleRun::one().run();
    run.measurements.iter_mut().for_each(|r| fail(r, "engine does not start"));
    let (report, page, text) = whole(vec![run]);
    assert!(charts(&report).is_empty() && !page.contains("<figure"));
    assert!(text.contains("No trial completed") && text.contains("No chart of the critical path"), "{text}");
    let mut run = SampleRun::one().run();
    (run.measurements, run.spans, run.consumers) = (vec![], vec![], vec![]);
    whole(vec![run]);
}

#[test]
fn missing_spans_remove_the_timeline_only() {
    let mut run = SampleRun::three_rounds().run();
    run.spans.clear();
    let (report, _, text) = whole(vec![run]);
    assert!(!charts(&report).iter().any(|c| c.name == "timeline") && text.contains("no completed trial has spans"));
}

#[test]
fn tables_too_large_for_a_summary_are_replaced() {
    let mut run = SampleRun::many().run();
    run.measurements.iter_mut().for_each(|r| fail(r, &"long ".repeat(400)));
    let text = markdown(&report(vec![run]));
    assert!(text.len() <= 1 << 20, "{}", text.len());
    assert!(text.contains("rows is left out so that this fits") && text.contains("## To run it again"));
}

#[test]
fn trace_has_every_span_without_overlap_in_a_thread() {
    let report = report(vec![SampleRun::three_rounds().run()]);
    let trial = &report.runs[0].plan.trials[2].id;
    let trace: serde_json::Value = serde_json::from_str(&chrome_trace(&report, trial).unwrap()).unwrap();
    let events: Vec<_> = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(events.len(), SampleRun::three_rounds().run().spans.iter().filter(|s| s.trial == *trial).count());
    let mut ends: BTreeMap<(u64, u64), f64> = BTreeMap::new();
    for event in &events {
        let lane = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let (start, length) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
        assert!(ends.get(&lane).is_none_or(|end| *end <= start + 1e-3), "{event}");
        ends.insert(lane, start + length);
    }
    let error = chrome_trace(&report, &trial.replace("-r1", "-r9")).unwrap_err().to_string();
    assert!(error.contains(&format!("did you mean `{trial}`")), "{error}");
}
