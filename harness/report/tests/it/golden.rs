//! Reports from small files, compared with golden files.
//!
//! `HANDOFF_GOLDEN=write cargo test -p handoff-report` writes the golden files; read the difference before you commit it.

use std::fs;

use handoff_model::{ByteSize, Conditions, DiskLimit, ImageStore, Plan, PlanRequest, StrategySpec, UserImage};
use handoff_records::Results;
use handoff_report::{Report, ReportError, markdown, readme, terminal};

use crate::kit::{ALL, SampleRun, csv_rows, environment, golden, with_facts};

fn expect(name: &str, text: &str) {
    let path = golden(name);
    if std::env::var("HANDOFF_GOLDEN").is_ok_and(|v| v == "write") {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{name} differs; HANDOFF_GOLDEN=write rewrites it. It is now:\n{text}");
}

fn run(name: &str, sizes: &[&str], strategies: &str, rounds: u32) -> Results {
    let plan = Plan::new(PlanRequest {
        sizes: sizes.iter().map(|s| s.parse().unwrap()).collect(),
        rounds,
        seed: 42,
        run_id: name.into(),
        ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap())
    });
    Results {
        name: name.into(),
        dir: format!("results/{name}").into(),
        damaged: 0,
        plan: with_facts(plan.unwrap()),
        environments: vec![environment()],
        measurements: csv_rows(&golden(&format!("{name}.csv"))),
        consumers: vec![],
        spans: vec![],
        warnings: vec![],
        set_aside: vec![],
    }
}

fn full() -> Results {
    run("full", &["1GiB"], ALL, 3)
}

fn sizes() -> Results {
    run("sizes", &["64MiB", "256MiB"], "artifact,artifact:level=6,zstd-stream,rebuild", 2)
}

fn report(runs: Vec<Results>) -> Report {
    Report::new(runs).unwrap()
}

#[test]
fn report_of_a_run_is_the_golden_one() {
    let report = report(vec![full()]);
    expect("full.md", &markdown(&report));
    expect("full.txt", &terminal(&report, 120, false));
    let links = [("full".to_owned(), "results/full/".to_owned())].into();
    let readme = readme(&report, &links).unwrap();
    expect("full-readme.md", &format!("{}\n{}", readme.chart, readme.table));
    assert!(readme.files.iter().all(|(_, svg)| svg.len() < 60_000 && svg.contains(">rebuild</text>")));
}

#[test]
fn report_of_sizes_variants_and_failures_is_the_golden_one() {
    let report = report(vec![sizes()]);
    expect("sizes.md", &markdown(&report));
    expect("sizes.txt", &terminal(&report, 100, false));
}

#[test]
fn report_without_completed_trials_is_the_golden_one() {
    let report = report(vec![run("failed", &["64MiB"], "artifact,rebuild", 1)]);
    let text = markdown(&report);
    expect("failed.md", &text);
    assert!(text.contains("Nothing completed") && text.contains("| none of 1 completed |"), "{text}");
    expect("failed.txt", &terminal(&report, 80, false));
}

#[test]
fn user_image_is_not_called_synthetic() {
    let mut user_image = full();
    user_image.plan.request.user_image = Some(UserImage::Image {
        name: "app:1".into(),
        id: "sha256:0".into(),
        bytes: None,
        store: Some(ImageStore::Overlay2),
    });
    let text = markdown(&report(vec![user_image]));
    assert!(text.starts_with("# app:1 (1GiB): ways to hand it to other jobs"), "{text}");
    assert!(
        text.contains("For your image `app:1` (1GiB), ")
            && text.contains("handoff recommend results/full --consumers 1"),
        "{text}"
    );
    assert!(text.contains("was saved from a daemon with the overlay2 store"), "{text}");
    assert!(!text.to_lowercase().contains("synthetic image") && !text.contains("short and synthetic"), "{text}");
}

#[test]
fn commands_name_the_given_folders_and_are_quoted() {
    let mut run = Results { dir: "my results/full".into(), ..full() };
    run.plan.request.user_image =
        Some(UserImage::Context { dir: "/src/l1\nl2".into(), dockerfile: None, build_args: Vec::new() });
    let report = report(vec![run]);
    for text in [markdown(&report), terminal(&report, 60_000, false)] {
        assert!(text.contains("\nhandoff report 'my results/full'\n"), "{text}");
        assert!(text.contains(r"handoff run --context $'/src/l1\nl2' --strategies"), "{text}");
        assert!(!text.contains("full-again"), "a folder that does not exist is named");
    }
}

#[test]
fn user_image_has_its_measured_size() {
    let mut user_image = full();
    user_image.plan.request.user_image =
        Some(UserImage::Context { dir: "/src".into(), dockerfile: None, build_args: Vec::new() });
    user_image.plan.trials.iter_mut().for_each(|trial| trial.cell.size = ByteSize::USER);
    for row in &mut user_image.measurements {
        row.size_bytes = 0;
        row.image_bytes = row.image_bytes.map(|_| 36 << 20);
    }
    assert!(user_image.measurements.iter().any(|row| row.image_bytes.is_some()), "the sample has sizes");
    handoff_records::name_measured_size(&mut user_image.plan, &mut user_image.measurements);
    let text = markdown(&report(vec![user_image]));
    assert!(text.contains("For your image `src` (36MiB), ") && !text.contains("own-size"), "{text}");
}

#[test]
fn user_image_has_one_line_on_the_spike_below_the_verdicts() {
    let mut user_image = full();
    user_image.plan.request.user_image =
        Some(UserImage::Image { name: "app:1".into(), id: "sha256:0".into(), bytes: None, store: None });
    let report = report(vec![user_image]);
    for text in [markdown(&report), terminal(&report, 60_000, false)] {
        assert!(!text.to_lowercase().contains("claimed") && !text.contains("1 to 3 GB)"), "{text}");
        let lines: Vec<&str> = text
            .lines()
            .filter(|l| l.contains("spike") && !l.starts_with("handoff ") && !l.starts_with("Sections: "))
            .collect();
        assert!(lines.len() <= 2 && lines.iter().all(|l| l.contains("spike's statements")), "{lines:?}");
        if let (Some(verdicts), Some(spike)) = (text.find("Verdicts"), text.find("The spike's statements")) {
            assert!(verdicts < spike);
        }
    }
}

#[test]
fn report_without_rows_has_no_failure() {
    let begun = Results { measurements: vec![], environments: vec![], ..full() };
    let text = markdown(&report(vec![begun]));
    assert!(
        text.contains("18 trials planned, 0 completed, 18 not run yet") && text.contains("| not run yet |"),
        "{text}"
    );
}

#[test]
fn every_format_has_conditions_and_commands() {
    for runs in [vec![full()], vec![sizes()], vec![full(), sizes()]] {
        let report = report(runs);
        for text in [markdown(&report), terminal(&report, 60_000, false)] {
            let text = text.replace('`', "");
            for needed in [
                "No time and no identity of the spike's table is judged here",
                "the containerd image store and the docker builder",
                "No trial ran on GitHub",
                "handoff run --sizes",
                "--seed 42",
                "median [smallest–largest]",
            ] {
                assert!(text.contains(needed), "no `{needed}` in\n{text}");
            }
            assert!(!text.contains("hosted runners with"), "{text}");
        }
    }
}

#[test]
fn screening_decides_nothing() {
    let mut few = full();
    few.plan.request.purpose = handoff_model::Purpose::Screening;
    few.plan.request.compare = handoff_model::Compare::Pairs;
    let report = report(vec![few]);
    for text in [markdown(&report), terminal(&report, 60_000, false)] {
        assert!(text.contains("This is a screening") && text.contains("It decides nothing"), "{text}");
        assert!(text.contains("--compare pairs --purpose screening"), "{text}");
    }
    let many = SampleRun { control: false, ..SampleRun::several() };
    let mut many = many.run();
    many.plan.request.purpose = handoff_model::Purpose::Trend;
    let text = markdown(&Report::new(vec![many]).unwrap());
    assert!(text.contains("This run shows a trend") && !text.contains("It decides nothing"), "{text}");
}

#[test]
fn sizes_have_the_decidable_families() {
    let text = markdown(&report(vec![SampleRun::several().run()]));
    let sentence = "The 8 rounds at 1GiB can decide all 6 comparisons with `rebuild` (8 needed) and none of the 21 pairs (10 needed).";
    assert_eq!(text.matches(sentence).count(), 4, "{text}");
    let pairs: Vec<&str> = text.split("\n#### ").filter(|s| s.starts_with("Every pair at ")).collect();
    assert_eq!(pairs.len(), 8);
    for section in pairs {
        let table = section.split("\n##").next().unwrap();
        assert!(table.contains("no other pair can be decided") && !table.contains("inconclusive"), "{table}");
    }
    let text = markdown(&report(vec![run("failed", &["64MiB"], "artifact,rebuild", 1)]));
    assert!(text.contains("The 1 round at 64MiB cannot decide the comparison with `rebuild` (6 needed)."), "{text}");
}

#[test]
fn baseline_is_last_and_variants_follow_their_strategy() {
    let report = report(vec![full(), sizes()]);
    let names: Vec<&str> = report.groups[0].lines.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(
        names,
        ["artifact", "artifact:level=6", "cache-tar", "gha-cache", "local-cache", "zstd-stream", "rebuild"]
    );
    assert_eq!(report.groups[0].sizes.len(), 3);
}

#[test]
fn cells_with_few_trials_are_named() {
    let text = markdown(&report(vec![sizes()]));
    assert!(text.contains("fewer than 3 completed trials") && text.contains("artifact at 64MiB (n = 2)"), "{text}");
    let text = markdown(&report(vec![full()]));
    assert!(text.contains("local-cache at 1GiB (n = 2). Use more"), "{text}");
}

#[test]
fn order_of_rows_does_not_change_the_report() {
    let mut other = full();
    other.measurements.reverse();
    assert_eq!(markdown(&report(vec![full()])), markdown(&report(vec![other])));
}

#[test]
fn terminal_report_fits_and_has_colour_on_request() {
    let report = report(vec![full()]);
    assert!(terminal(&report, 100, true).contains('\u{1b}'));
    for width in [60, 80, 100, 160] {
        let plain = terminal(&report, width, false);
        assert!(!plain.contains('\u{1b}'));
        let too_wide = plain.lines().find(|l| l.chars().count() > usize::from(width) && !l.starts_with("handoff run"));
        assert_eq!(too_wide, None, "at {width}");
    }
}

#[test]
fn missing_and_duplicate_runs_are_rejected() {
    assert!(matches!(Report::new(vec![]), Err(ReportError::Nothing)));
    let error = Report::new(vec![full(), full()]).unwrap_err().to_string();
    assert_eq!(error, "`full` and `full` hold the same run: name it once");
}

#[test]
fn control_characters_of_rows_are_removed() {
    let mut bad = run("failed", &["64MiB"], "artifact,rebuild", 1);
    bad.measurements[0].error = "\u{1b}[2Jgone".into();
    assert!(!terminal(&report(vec![bad]), 80, false).contains('\u{1b}'));
}

#[test]
fn rows_of_one_profile_with_another_disk_limit_are_another_group() {
    let with = |disk_limit| Conditions { profile: "github-hosted".into(), disk_limit, ..Conditions::default() };
    let conditions = vec![with(DiskLimit::NONE), with(DiskLimit::both(200 << 20))];
    let report = report(vec![SampleRun { conditions, ..SampleRun::three_rounds() }.run()]);
    assert_eq!(report.groups.len(), 2);
    let text = markdown(&report);
    let columns =
        "| Critical path, s | github-hosted as it is, no disk limit | github-hosted as it is, disk 200MiB/s |";
    for part in [
        "### No disk limit",
        "### Disk limited to 200MiB/s (simulated)",
        columns,
        "limits each job's disk to the profile's rate (200MiB/s)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn links_are_columns_of_one_table() {
    let text = markdown(&report(vec![SampleRun::several().run()]));
    let section = text.split("\n## ").find(|s| s.starts_with("Links side by side")).unwrap();
    // Two sizes, and one or four consumers: four sets of two links each, two tables a set.
    assert_eq!(section.matches("| Critical path, s | github-hosted | loopback |").count(), 4, "{section}");
    assert_eq!(section.matches("| Transfer, s | github-hosted | loopback |").count(), 4, "{section}");
    assert!(section.contains("### 256MiB, 4 consumers"), "{section}");
    assert!(!markdown(&report(vec![full()])).contains("Links side by side"));
}
