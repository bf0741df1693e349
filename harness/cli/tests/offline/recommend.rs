//! `handoff recommend` from end to end: what is not known comes first, text and JSON are one document, and the workflow is that of the
//! very variant that is named.

use std::path::Path;

use handoff_model::{Builder, Conditions, ImageStore, PlanRequest, Trial};
use serde_json::Value;

use crate::support::{SampleRuns, expect, handoff, request};

const ASK: [&str; 6] = ["--consumers", "1", "--pushes-per-day", "5", "--image-size", "1GiB"];

/// Question with the given options in place of the defaults.
fn asked<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let own = ASK.chunks(2).filter(|pair| !more.contains(&pair[0])).flatten();
    own.copied().chain(last(more)).collect()
}

/// Options, each as it is named last.
fn last<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let later = |i: usize| more[i + 1..].contains(&more[i]);
    let mut all = Vec::new();
    let mut i = 0;
    while i < more.len() {
        let has_value = more.get(i + 1).is_some_and(|v| !v.starts_with("--"));
        let end = i + 1 + usize::from(has_value);
        if !later(i) {
            all.extend(&more[i..end]);
        }
        i = end;
    }
    all
}

fn text(dir: &str, more: &[&str]) -> String {
    expect(handoff(&["recommend", dir]).args(asked(more)), 0).0
}

fn json(dir: &str, more: &[&str]) -> Value {
    serde_json::from_str(&expect(handoff(&["recommend", dir, "--format", "json"]).args(asked(more)), 0).0).unwrap()
}

/// Seconds of a trial: those of its variant, and a wobble that no two trials share.
fn seconds(trial: &Trial, of: &[(&str, f64)], wobble: f64) -> Option<(f64, f64)> {
    let share = f64::from(u32::from_str_radix(&trial.nonce[..4], 16).unwrap()) / 65_536.0;
    let variant = trial.cell.strategy.to_string();
    let (_, base) = of.iter().find(|(name, _)| *name == variant)?;
    Some((base / 2.0, base / 2.0 + share * wobble))
}

fn run(samples: &SampleRuns, name: &str, of: &[(&str, f64)], rounds: u32, wobble: f64) -> String {
    let strategies: Vec<&str> = of.iter().map(|(name, _)| *name).collect();
    samples.run(name, request(&strategies.join(","), &["1GiB"], rounds), 2, |t| seconds(t, of, wobble))
}

const RELAY_AHEAD: [(&str, f64); 3] = [("relay", 30.0), ("cache-tar:layers=zstd-1", 36.0), ("rebuild", 300.0)];

#[test]
fn too_few_rounds_come_first_and_no_third_party_action_is_preferred() {
    let samples = SampleRuns::new();
    let few = run(&samples, "few", &RELAY_AHEAD, 2, 0.5);
    let first = text(&few, &[]).lines().next().unwrap().to_owned();
    let expected =
        "# Undecided: 2 rounds are too few to compare relay with cache-tar:layers=zstd-1. At least 7 are needed.";
    assert!(first.starts_with(expected), "{first}");
    let answer = json(&few, &[]);
    assert_eq!(answer["undecided"]["sentence"], first.trim_start_matches("# "));
    assert_eq!(
        (answer["chosen"].as_str(), answer["runner_up"].as_str()),
        (Some("cache-tar:layers=zstd-1"), Some("relay"))
    );
    let why = answer["reasons"].to_string();
    assert!(why.contains("no third-party action") && why.contains("OWNER/handoff/send"), "{why}");
    // What takes ten times as long is not the answer, however simple.
    assert_ne!(answer["chosen"], "rebuild");
}

#[test]
fn one_job_is_named_where_short_checks_let_it_win() {
    let samples = SampleRuns::new();
    let of = [("cache-tar:layers=zstd-1", 40.0), ("rebuild", 60.0)];
    let dir = run(&samples, "one-job", &of, 8, 0.5);
    let four = ["--consumers", "4", "--goal", "wait", "--sharing"];
    let answer = json(&dir, &four);
    let one = &answer["one_job"];
    assert_eq!((one["name"].as_str(), one["basis"].as_str()), (Some("one-job"), Some("modelled")));
    assert_eq!(one["with_checks"], Value::Null);
    // A build in one job is ready before two jobs with a transfer between them.
    let (ready, limit) = (one["ready_s"].as_f64().unwrap(), one["ahead_up_to_s"].as_f64().unwrap());
    assert!(ready > 0.0 && limit > 1.0, "{one}");
    let line = |more: &[&str]| {
        let page = text(&dir, &[&four, more].concat());
        page.lines().find(|l| l.contains("one-job (modelled)")).unwrap_or_else(|| panic!("{page}")).to_owned()
    };
    assert!(line(&[]).contains("while the checks of one job take"), "{}", line(&[]));
    assert!(line(&["--check-seconds", "1"]).starts_with("# Consider one-job (modelled)"));
    let long = line(&["--check-seconds", "3600"]);
    assert!(long.starts_with("# one-job (modelled)") && long.contains("It is ahead with checks of up to"), "{long}");
    // Checks that leave the processor idle do not slow each other down.
    assert!(line(&["--check-seconds", "3600", "--check-load", "0.25"]).starts_with("# Consider one-job (modelled)"));
    assert_eq!(json(&dir, &["--consumers", "1"])["one_job"], Value::Null);
    assert!(text(&dir, &four).contains("Left out of one-job: the wait for runners"));
    let (_, error) = expect(handoff(&["recommend", &dir, "--check-load", "0"]).args(asked(&four)), 2);
    assert!(error.contains("--check-load is out of range: use 0.01 to 1"), "{error}");
}

#[test]
fn decided_comparison_is_the_answer() {
    let samples = SampleRuns::new();
    let enough = run(&samples, "enough", &RELAY_AHEAD, 8, 0.5);
    assert!(text(&enough, &[]).starts_with("# Recommended: relay for 1 job"), "{}", text(&enough, &[]));
    let answer = json(&enough, &[]);
    assert_eq!((&answer["undecided"], answer["chosen"].as_str()), (&Value::Null, Some("relay")));
    assert_eq!(answer["runner_up"], "cache-tar:layers=zstd-1");
    // A verdict for every other candidate, and none of another quantity than the one asked for.
    let verdicts: Vec<&str> =
        answer["comparisons"].as_array().unwrap().iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["slower", "slower"]);
}

#[test]
fn undecided_pair_prefers_the_workflow_with_fewer_steps() {
    let samples = SampleRuns::new();
    let same = run(&samples, "same", &[("artifact", 30.0), ("gha-cache", 30.4), ("rebuild", 90.0)], 8, 0.5);
    let answer = json(&same, &[]);
    assert_eq!((answer["chosen"].as_str(), answer["runner_up"].as_str()), (Some("gha-cache"), Some("artifact")));
    assert!(answer["reasons"].to_string().contains("fewer steps than that of artifact"), "{}", answer["reasons"]);
    let sentence = answer["undecided"]["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("Undecided: artifact and gha-cache differ by less than the smallest effect that matters"),
        "{sentence}"
    );
}

#[test]
fn variant_without_a_workflow_is_excluded_with_its_reason() {
    let samples = SampleRuns::new();
    let best = "zstd-stream:layers=zstd-1,source=output";
    let dir = run(&samples, "streams", &[(best, 10.0), ("cache-tar:layers=zstd-1", 40.0), ("cache-tar", 41.0)], 8, 0.5);
    let answer = json(&dir, &[]);
    let out = answer["candidates"].as_array().unwrap().iter().find(|c| c["strategy"] == best).unwrap();
    assert!(out["excluded"].as_str().unwrap().contains("no action offers Handoff's client"), "{out}");
    assert_ne!(answer["chosen"], best);
    let alone = run(&samples, "alone", &[(best, 10.0)], 2, 0.5);
    let (_, stderr) = expect(handoff(&["recommend", &alone]).args(ASK), 2);
    assert!(stderr.contains("no strategy is left") && stderr.contains("no action offers"), "{stderr}");
}

#[test]
fn workflow_is_that_of_the_recommended_variant() {
    let samples = SampleRuns::new();
    for (i, (variant, line)) in [
        (
            "cache-tar:layers=zstd-1",
            "type=docker,dest=${{ runner.temp }}/handoff/image.tar,compression=zstd,compression-level=1",
        ),
        ("local-cache:compression=zstd", "mode=max,compression=zstd,force-compression=true"),
        ("local-cache:mode=min", "buildx-cache,mode=min"),
        ("artifact:archive=false", "archive: 'false'"),
        ("artifact:concurrency=32", "ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY: '32'"),
        (
            "artifact:compress=zstd,source=save",
            "docker save app:ci | zstd -3 -T0 --quiet --stdout > \"$RUNNER_TEMP/handoff/image.tar.zst\"",
        ),
        ("relay:level=5", "level: '5'"),
        ("relay:store=cache", "store: cache"),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = run(&samples, &format!("one-{i}"), &[(variant, 30.0)], 1, 0.5);
        let text = text(&dir, &[]);
        assert!(text.contains(&format!("handed over by `{variant}`")) && text.contains(line), "{variant}: {text}");
        assert_eq!(json(&dir, &[])["chosen"], variant);
    }
}

/// Trials save the image by the engine where the builder cannot export it, and so does the workflow.
#[test]
fn workflow_makes_the_tar_as_the_trials_did() {
    let samples = SampleRuns::new();
    let conditions =
        Conditions { image_store: ImageStore::Overlay2, builder: Builder::Docker, ..Conditions::default() };
    let saved = PlanRequest { conditions: vec![conditions], ..request("artifact", &["1GiB"], 1) };
    let dir = samples.run("saved", saved, 2, |t| seconds(t, &[("artifact", 30.0)], 0.5));
    let text = text(&dir, &[]);
    assert!(text.contains("docker save --output") && !text.contains("type=docker"), "{text}");
    assert!(text.contains("# The workflow makes a docker-container builder"), "{text}");
}

/// Everything that one form says, the other says too.
fn agree(dir: &str, more: &[&str]) {
    let (text, answer) = (text(dir, more), json(dir, more));
    let head: Vec<&str> =
        text.lines().take_while(|l| l.starts_with('#')).map(|l| l.trim_start_matches(['#', ' '])).collect();
    let has =
        |part: &str| assert!(head.iter().any(|l| l.contains(part)), "{dir}: `{part}` is not in the text:\n{text}");
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    has(&format!("Recommended: {} for", string(&answer["chosen"])));
    match &answer["undecided"] {
        Value::Null => assert!(head[0].starts_with("Recommended: "), "{text}"),
        undecided => assert_eq!(head[0], string(&undecided["sentence"])),
    }
    if let Some(next) = answer["runner_up"].as_str() {
        has(&format!("Runner-up: {next}."));
    }
    for (list, prefix) in [("reasons", "Why: "), ("notes", ""), ("changes", "- ")] {
        answer[list].as_array().unwrap().iter().for_each(|line| has(&format!("{prefix}{}", string(line))));
    }
    for candidate in answer["candidates"].as_array().unwrap() {
        has(&format!("{}: {:.1} s", string(&candidate["strategy"]), candidate["wait_s"].as_f64().unwrap()));
        if let Some(why) = candidate["excluded"].as_str() {
            has(&format!("; out: {why}"));
        }
    }
    assert!(text.trim_end().ends_with(answer["workflow"].as_str().unwrap().trim_end()), "{text}");
}

#[test]
fn text_and_json_say_the_same() {
    let samples = SampleRuns::new();
    let dir = run(&samples, "some", &RELAY_AHEAD, 3, 4.0);
    agree(&dir, &[]);
    agree(&dir, &["--goal", "wait", "--sharing", "--plan", "free", "--build-seconds", "60"]);
    agree(&four_apart(&samples), &["--consumers", "4"]);
}

/// A run in which the number of jobs and the length of the build decide: one strategy is quick to produce, one quick to consume.
fn four_apart(samples: &SampleRuns) -> String {
    let apart = |t: &Trial| crate::support::seconds(t).map(|(produce, consume)| (produce + 4.0, consume));
    samples.run("four", request("artifact,cache-tar,gha-cache,rebuild", &["1GiB"], 3), 2, apart)
}

/// The values that a changed question has: those that a line claims something of.
fn claimed(line: &str) -> (Vec<Vec<String>>, &str) {
    let (condition, answer) = line.split_once(": ").unwrap();
    let words: Vec<&str> = condition.split(' ').collect();
    let values = |first: &str, last: &str| {
        let first: u32 = first.parse().unwrap();
        let last = last.parse().unwrap_or(first);
        [first, first.midpoint(last), last].map(|v| v.to_string()).to_vec()
    };
    let (option, values) = match words.as_slice() {
        ["with", "a", "single", "job"] => ("--consumers", vec!["1".to_owned()]),
        ["at", n, "jobs"] => ("--consumers", values(n, n)),
        ["with", n, "jobs", "or", "more"] => ("--consumers", values(n, "256")),
        ["with", n, "jobs", "or", "fewer"] => ("--consumers", values(n, "1")),
        ["at" | "with", "a", "build", "of", s, "s"] => ("--build-seconds", values(s, s)),
        ["with", "a", "build", "of", s, "s", "or", "more"] => ("--build-seconds", values(s, "3600")),
        ["with", "a", "build", "of", s, "s", "or", "less"] => ("--build-seconds", values(s, "0")),
        ["for", "the", "smallest", "waiting", ..] => ("--goal", vec!["wait".to_owned()]),
        ["for", "the", "smallest", "time", ..] => ("--goal", vec!["runner".to_owned()]),
        _ => panic!("{line}"),
    };
    (values.into_iter().map(|v| vec![option.to_owned(), v]).collect(), answer)
}

#[test]
fn listed_changes_of_the_answer_match_the_answers_to_changed_questions() {
    let mut lines = 0;
    let samples = SampleRuns::new();
    for run in [four_apart(&samples), run(&samples, "relay", &RELAY_AHEAD, 8, 0.5)] {
        for (consumers, goal) in [("1", "runner"), ("4", "runner"), ("4", "wait"), ("11", "runner")] {
            let asked = ["--consumers", consumers, "--goal", goal];
            let answer = json(&run, &asked);
            let changes: Vec<&str> =
                answer["changes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
            if changes[0].starts_with("no number of jobs") {
                continue;
            }
            for line in changes {
                let (questions, claimed) = claimed(line);
                for changed in questions {
                    let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
                    let output = json(&run, &[&asked[..], &changed[..]].concat());
                    assert_eq!(output["chosen"], claimed, "{run} {asked:?}: {line}; asked with {changed:?}");
                    lines += 1;
                }
            }
        }
    }
    assert!(lines > 10, "{lines}");
}

#[test]
fn simpler_candidate_that_is_not_close_enough_is_mentioned() {
    let samples = SampleRuns::new();
    let dir = run(&samples, "apart", &[("artifact", 30.0), ("gha-cache", 40.0), ("rebuild", 90.0)], 3, 0.5);
    let reasons = json(&dir, &[])["reasons"].to_string();
    assert!(reasons.contains("candidates with a simpler workflow are more than "), "{reasons}");
    assert!(!reasons.contains("no candidate"), "{reasons}");
}

#[test]
fn third_party_actions_are_the_same_in_text_and_json() {
    let samples = SampleRuns::new();
    let dir = run(&samples, "counted", &RELAY_AHEAD, 8, 0.5);
    let (text, answer) = (text(&dir, &[]), json(&dir, &[]));
    for candidate in answer["candidates"].as_array().unwrap() {
        let list = |key: &str| -> Vec<&str> {
            candidate["workflow"][key].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect()
        };
        let (all, third) = (list("actions"), list("third_party_actions"));
        assert!(all.contains(&"docker/setup-buildx-action"), "{candidate}");
        assert_eq!(third, all.iter().copied().filter(|a| !a.starts_with("docker/")).collect::<Vec<_>>());
        let start = format!("# {}: ", candidate["strategy"].as_str().unwrap());
        let line = text.lines().find(|l| l.starts_with(&start)).unwrap();
        let output = line.split_once(", third-party ").map_or("", |(_, rest)| rest);
        assert_eq!(output, third.join(", "), "{line}");
    }
}

#[test]
fn workflow_has_one_job_for_each_consumer_and_names_where_it_builds() {
    let samples = SampleRuns::new();
    let alone = run(&samples, "alone", &[("rebuild", 30.0)], 1, 0.5);
    let one = text(&alone, &["--pushes-per-day", "1"]);
    assert!(one.contains("# Build in the job that tests, then test there, without a transfer (`rebuild`)"), "{one}");
    assert!(one.contains("\n  test:") && !one.contains("\n  lint:") && !one.contains("make lint"), "{one}");
    assert!(one.contains("for 1 job, 1 push a day,"), "{one}");
    let many = text(&alone, &["--consumers", "3"]);
    assert!(many.contains("# Build in every job, then lint and test there,"), "{many}");
    assert!(many.contains("\n  lint:") && many.contains("SHARDS: 2"), "{many}");
    let shared = run(&samples, "shared", &[("artifact", 30.0)], 1, 0.5);
    let one = text(&shared, &[]);
    assert!(one.contains("# Build once, then test with that image, handed over by `artifact`"), "{one}");
    assert!(one.contains("\n  build:") && one.contains("\n  test:") && !one.contains("\n  lint:"), "{one}");
}

#[test]
fn filter_without_rows_names_the_existing_values() {
    let samples = SampleRuns::new();
    let dir = run(&samples, "one", &RELAY_AHEAD, 1, 0.5);
    for (filter, value, there) in [
        ("--profile", "nope", "loopback"),
        ("--image-store", "overlay2", "containerd"),
        ("--builder", "docker-container", "docker"),
    ] {
        let (_, stderr) = expect(handoff(&["recommend", &dir, filter, value]).args(ASK), 2);
        assert!(stderr.contains(&format!("{filter} {value} has no row here: use one of {there}")), "{stderr}");
    }
}

#[test]
fn notes_begin_with_a_capital_letter_and_no_difference_is_zero() {
    let samples = SampleRuns::new();
    let same = run(&samples, "alike", &[("artifact", 30.0), ("cache-tar", 30.01)], 8, 0.001);
    let answer = json(&same, &[]);
    for note in answer["notes"].as_array().unwrap() {
        assert!(note.as_str().unwrap().starts_with(char::is_uppercase), "{note}");
    }
    let reasons = answer["reasons"].to_string();
    assert!(!reasons.contains(" 0.0 s") && reasons.contains("less than 0.1 s"), "{reasons}");
    assert!(!text(&same, &[]).contains("with a build of 0 s"), "{}", text(&same, &[]));
}

#[test]
fn answer_matches_the_golden_files() {
    let samples = SampleRuns::new();
    let of = [
        ("cache-tar:layers=zstd-1", 30.0),
        ("artifact", 44.0),
        ("zstd-stream", 33.0),
        ("local-cache:compression=zstd", 31.0),
        ("rebuild", 40.0),
    ];
    let dir = run(&samples, "golden", &of, 8, 1.0);
    let more = ["--consumers", "11", "--pushes-per-day", "20", "--image-size", "2GiB"];
    for (name, format) in [("recommend.yml", "text"), ("recommend.json", "json")] {
        let output = expect(handoff(&["recommend", &dir, "--format", format]).args(more), 0).0;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var("HANDOFF_GOLDEN").is_ok_and(|v| v == "write") {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &output).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap();
        assert!(output == expected, "{name} differs; HANDOFF_GOLDEN=write rewrites it. It is now:\n{output}");
    }
}

#[test]
fn trigger_that_may_not_save_excludes_the_cache_and_starts_the_workflow() {
    let samples = SampleRuns::new();
    let of = [("cache-tar", 20.0), ("relay:store=cache", 25.0), ("artifact", 40.0), ("rebuild", 300.0)];
    let dir = run(&samples, "triggers", &of, 7, 0.5);
    let excluded = |answer: &Value| -> Vec<String> {
        let all = answer["candidates"].as_array().unwrap().iter();
        all.filter(|c| !c["excluded"].is_null()).map(|c| format!("{} {}", c["strategy"], c["excluded"])).collect()
    };
    for trigger in ["push", "pull_request", "merge_group"] {
        let answer = json(&dir, &["--trigger", trigger]);
        assert_eq!((answer["chosen"].as_str(), excluded(&answer).len()), (Some("cache-tar"), 0), "{trigger}");
        assert_eq!(answer["ask"]["trigger"], trigger);
    }
    assert!(json(&dir, &["--trigger", "pull_request"])["notes"].to_string().contains("refs/pull/N/merge"));
    for trigger in ["pull_request_target", "issue_comment", "workflow_run"] {
        let answer = json(&dir, &["--trigger", trigger]);
        assert_eq!(answer["chosen"], "artifact", "{trigger}");
        let out = excluded(&answer);
        assert_eq!(out.len(), 2, "{out:?}");
        assert!(out.iter().all(|why| why.contains(&format!("trigger {trigger} lets no job save"))), "{out:?}");
        let workflow = answer["workflow"].as_str().unwrap();
        assert!(workflow.contains(&format!("\non:\n  {trigger}:")) && !workflow.contains("push:"), "{workflow}");
        assert!(workflow.contains("people without write access"), "{workflow}");
    }
    // The workflow's own key counts more than its trigger.
    let granted = json(&dir, &["--trigger", "issue_comment", "--cache-mode", "write"]);
    assert_eq!(granted["chosen"], "cache-tar");
    let workflow = granted["workflow"].as_str().unwrap();
    assert!(workflow.contains("\ncache-mode: write\n") && workflow.contains("poison"), "{workflow}");
    for mode in ["read", "write-only", "none"] {
        assert_eq!(json(&dir, &["--cache-mode", mode])["chosen"], "artifact", "{mode}");
    }
    let (_, error) = expect(handoff(&["recommend", &dir, "--trigger", "pull_requst"]).args(ASK), 2);
    assert!(error.contains("did you mean `pull_request`?"), "{error}");
}
