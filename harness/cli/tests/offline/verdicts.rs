//! Verdicts, documents and recommendations from folders of sample rows.

use handoff_model::Trial;
use serde_json::Value;

use crate::support::{SampleRuns, expect, handoff, request, seconds};

const SOME: &str = "artifact,cache-tar,gha-cache,rebuild";

fn analysis(dirs: &[&str]) -> Value {
    let mut args = vec!["report"];
    args.extend(dirs);
    args.extend(["--format", "json"]);
    serde_json::from_str(&expect(&mut handoff(&args), 0).0).unwrap()
}

#[test]
fn folders_merge_with_their_provenance_and_never_twice() {
    let samples = SampleRuns::new();
    let one = samples.run("one", request(SOME, &["1GiB"], 4), 2, seconds);
    let two = samples.run("two", request(SOME, &["1GiB"], 4), 2, seconds);
    let document = analysis(&[&one, &two]);
    let runs: Vec<&str> =
        document["provenance"].as_array().unwrap().iter().map(|p| p["run"].as_str().unwrap()).collect();
    assert_eq!(runs, ["one", "two"]);
    assert_eq!(document["analysis"]["groups"][0]["cells"][0]["n"], 8);
    let (_, stderr) = expect(&mut handoff(&["report", &one, &one, "--format", "json"]), 2);
    assert!(stderr.starts_with("error: trial ") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn compare_prints_verdicts_and_fails_on_the_chosen_ones() {
    let samples = SampleRuns::new();
    let before = samples.run("before", request(SOME, &["1GiB"], 8), 2, seconds);
    let slow = |t: &Trial| seconds(t).map(|(p, c)| (p, c + if t.cell.strategy.name == "artifact" { 8.0 } else { 0.0 }));
    let after = samples.run("after", request(SOME, &["1GiB"], 8), 2, slow);
    let compare = |args: &[&str], code: i32| {
        let mut all = vec!["compare", &before, &after];
        all.extend(args);
        expect(&mut handoff(&all), code)
    };
    let (text, _) = compare(&[], 0);
    assert!(text.contains("artifact 1GiB typical") && text.contains(": slower, critical path +"), "{text}");
    compare(&["--fail-on", "slower"], 1);
    compare(&["--fail-on", "faster"], 0);
    let (json, _) = compare(&["--format", "json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()[0]["verdict"], "slower");

    let elsewhere = samples.run("elsewhere", request(SOME, &["1GiB"], 8), 4, seconds);
    let (_, stderr) = expect(&mut handoff(&["compare", &before, &elsewhere]), 2);
    assert!(stderr.contains("differ in cores (2; 4)") && stderr.contains("--allow-different-environment"), "{stderr}");
    let allowed = ["compare", &before, &elsewhere, "--allow-different-environment"];
    let (text, _) = expect(&mut handoff(&allowed), 0);
    assert!(text.ends_with("environment differs in cores (2; 4): all 4 rows\n"), "{text}");
    let (json, _) = expect(handoff(&allowed).args(["--format", "json"]), 0);
    let differences = &serde_json::from_str::<Value>(&json).unwrap()[3]["environment_differences"];
    assert_eq!(*differences, serde_json::json!([{"name": "cores", "first": "2", "second": "4"}]));
    let other = samples.run("other-size", request(SOME, &["2GiB"], 2), 2, seconds);
    let (_, stderr) = expect(&mut handoff(&["compare", &before, &other]), 2);
    assert!(stderr.contains("no cell in common"), "{stderr}");
}

#[test]
fn recommendation_depends_on_the_question() {
    let samples = SampleRuns::new();
    let apart = |t: &Trial| {
        let (produce, consume) = seconds(t)?;
        let more = if t.cell.strategy.name == "gha-cache" { 4.0 } else { 3.0 };
        Some((produce + more, consume))
    };
    let dir = samples.run("all", request(SOME, &["1GiB"], 8), 2, apart);
    let answer = |more: &[&str]| -> Value {
        let mut args = vec!["recommend", &dir, "--image-size", "1GiB", "--format", "json"];
        args.extend(more);
        serde_json::from_str(&expect(&mut handoff(&args), 0).0).unwrap()
    };
    // gha-cache 14 + 20 n, artifact 28 + 15 n, rebuild 30 n, and up to a second of wobble each.
    assert_eq!(answer(&["--consumers", "1", "--pushes-per-day", "5"])["chosen"], "rebuild");
    assert_eq!(answer(&["--consumers", "2", "--pushes-per-day", "5"])["chosen"], "gha-cache");
    let many = answer(&["--consumers", "11", "--pushes-per-day", "5"]);
    assert_eq!(many["chosen"], "artifact");
    let changes = many["changes"].to_string();
    assert!(changes.contains(" jobs: gha-cache") && changes.contains("with a single job: rebuild"), "{changes}");
    assert_eq!(answer(&["--consumers", "11", "--pushes-per-day", "5", "--goal", "wait"])["chosen"], "rebuild");
    let sharing = answer(&["--consumers", "11", "--pushes-per-day", "5", "--goal", "wait", "--sharing"]);
    assert_eq!(sharing["chosen"], "gha-cache");
    let busy = answer(&["--consumers", "2", "--pushes-per-day", "5000"]);
    assert_ne!(busy["chosen"], "gha-cache", "its cache entries would not live for an hour");
    let small = answer(&["--consumers", "11", "--pushes-per-day", "50", "--plan", "free"]);
    assert_ne!(small["chosen"], "artifact", "a day's artifacts would not fit");
    let refused = |args: &[&str], part: &str| {
        let all = ["recommend", &dir, "--image-size", "1GiB", "--pushes-per-day", "1"];
        let (_, stderr) = expect(handoff(&all).args(args), 2);
        assert!(stderr.contains(part), "{stderr}");
    };
    refused(&["--consumers", "0"], "1 to 256");
    refused(&["--consumers", "2", "--plan", "tem"], "did you mean `team`");
    refused(&["--consumers", "2", "--profile", "nothing"], "use one of loopback");
}
