//! The spike's statements in reports, and on their page.

use std::collections::BTreeMap;

use handoff_analysis::{Claims, Options, RunRows, judge};
use handoff_model::{Builder, Conditions, ImageStore};
use handoff_records::Results;
use handoff_report::{Report, markdown, spike_page, terminal};

use crate::kit::{ALL, SampleRun};

/// Words of earlier verdicts, which spoke of the statement and not of the strategy, and marks of what is not known.
const OLD: [&str; 8] =
    ["too slow", "too fast", "not the recipe", "not tested", ": holds", ": wrong", "| ? |", "| holds |"];

fn no_old_word(text: &str, whose: &str) {
    for word in OLD {
        assert!(!text.contains(word), "`{word}` in {whose}");
    }
    // A table of a terminal has no bars between its columns.
    let lonely = text.lines().find(|l| l.split_whitespace().any(|w| w == "?"));
    assert_eq!(lonely, None, "in {whose}");
}

fn recipe() -> SampleRun {
    let conditions = vec![Conditions {
        image_store: ImageStore::Overlay2,
        builder: Builder::DockerContainer,
        profile: "github-hosted".into(),
        ..Conditions::default()
    }];
    SampleRun { name: "spike", sizes: &["1GiB"], strategies: ALL, rounds: 8, conditions, control: false }
}

fn page(runs: &[Results]) -> String {
    let rows: Vec<RunRows<'_>> = runs.iter().map(RunRows::from).collect();
    let claims = Claims::spike().unwrap();
    let links: BTreeMap<String, String> =
        runs.iter().map(|r| (r.name.clone(), format!("../results/{}/", r.name))).collect();
    spike_page(&claims, &judge(&rows, &Options::default(), &claims, &[]), &links)
}

#[test]
fn no_report_of_a_fixture_has_an_unknown_claim_or_an_old_verdict() {
    for made in [SampleRun::one(), SampleRun::several(), recipe()] {
        let name = made.name;
        let report = Report::new(vec![made.run()]).unwrap();
        for text in [markdown(&report), terminal(&report, 200, false)] {
            no_old_word(&text, name);
        }
    }
}

#[test]
fn statements_are_grouped_by_option_below_the_verdicts() {
    let text = markdown(&Report::new(vec![recipe().run()]).unwrap());
    let section = text.split("\n## ").find(|s| s.starts_with("The spike's statements")).unwrap();
    let headings: Vec<&str> = section.lines().filter(|l| l.starts_with("### ")).collect();
    assert_eq!(
        headings,
        [
            "### Option 1: artifact",
            "### Option 2: cache-tar",
            "### Option 3: gha-cache",
            "### Option 4: local-cache",
            "### Option 5: zstd-stream"
        ]
    );
    assert!(text.find("\n## Verdicts").unwrap() < text.find("\n## The spike's statements").unwrap());
    assert!(section.contains("| faster than claimed at 1GiB |") && section.contains("need other runs"), "{section}");
    assert!(text.contains("| 2-8 min: faster than claimed at 1GiB |"), "{text}");
}

#[test]
fn page_has_a_row_for_every_statement_and_links_the_runs() {
    let text = page(&[recipe().run()]);
    no_old_word(&text, "the page");
    for claim in Claims::spike().unwrap().claims {
        let start = format!("| {} | {} | {} |", claim.place, claim.statement, claim.claimed_text());
        let rows: Vec<&str> = text.lines().filter(|l| l.starts_with(&start)).collect();
        assert_eq!(rows.len(), 1, "{start}");
        let verdict = rows[0].split(" | ").nth(5).unwrap();
        let words = ["faster than claimed", "slower than claimed", "as claimed", "not as claimed"];
        assert!(words.iter().any(|w| verdict.starts_with(w)) || verdict.starts_with("not judged: "), "{verdict}");
    }
    let transfer = text.lines().find(|l| l.contains("| transfer of `artifact` |")).unwrap();
    assert!(
        transfer.contains("(typical 1GiB, github-hosted, overlay2, n = 8) | faster than claimed at 1GiB |"),
        "{transfer}"
    );
    assert!(transfer.ends_with("| [spike](../results/spike/) |"), "{transfer}");
    assert!(text.contains("**Verdicts on times under `github-hosted` hold for the simulated link**"), "{text}");
    assert!(text.contains("| tight (ours: at most 10 images) |"), "{text}");
}

#[test]
fn page_without_runs_names_the_preset_that_is_missing() {
    let text = page(&[]);
    assert!(text.contains("| not judged: no run of the preset spike yet |"), "{text}");
    assert!(text.contains("| not judged: no run of the preset claims yet |"), "{text}");
}
