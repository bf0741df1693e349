//! Answers of the API that are paged, late, refused or gone.

use super::*;

#[test]
fn every_page_of_a_list_is_read() {
    let run = GithubRun::new();
    let cells = run.plan(&[("sizes", "64MiB"), ("strategies", "artifact"), ("rounds", "120")]);
    assert_eq!(cells.len(), 120);
    for cell in &cells {
        run.role(cell, Role::Producer, Some(Failure::new("upload", "no room")));
        for job in ["producer", "consumer 1"] {
            run.job(&format!("{} / {job}", cell.id), "failure");
        }
    }
    run.github.state().runs.push(RUN);
    run.collect(1);
    let rows = run.rows("rows").measurements;
    assert!(rows.len() == 120 && rows.iter().all(|r| r.error == "no room"));
    let pages = |list: &str| run.github.count("GET", &format!("{RUNS}{RUN}/{list}"));
    assert_eq!(pages("artifacts"), 2, "121 artifacts");
    assert_eq!(pages("jobs") % 3, 0, "240 jobs");
}

#[test]
fn collect_waits_for_the_end_of_a_rate_limit() {
    let run = GithubRun::new();
    run.ran(&SMALL);
    run.github.state().runs.push(RUN);
    let limited = Fault::Answer(429, vec![("retry-after", "1".to_owned())], "Too Many Requests");
    run.fault("GET", "/repos/you/handoff/actions/runs/4711", limited);
    run.collect(0);
    assert_eq!(run.rows("rows").measurements.len(), 2);
    assert!(run.github.state().faults.is_empty(), "{:?}", run.github.state().faults);
}

#[test]
fn permanent_fault_is_one_line_with_its_fix() {
    let later = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_000;
    let spent = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", later.to_string())];
    let dispatches = "/repos/you/handoff/actions/workflows/handoff.yml/dispatches";
    let cases: [(&str, &str, Fault, i32, &[&str]); 6] = [
        ("GET", API, Fault::Answer(401, vec![], "Bad credentials"), 2, &["Bad credentials", "use a token with"]),
        ("POST", dispatches, Fault::Answer(403, vec![], "Resource not accessible"), 2, &["actions: write"]),
        ("POST", dispatches, Fault::Answer(422, vec![], "No ref found for: nope"), 4, &["No ref found for: nope"]),
        ("GET", API, Fault::Answer(404, vec![], "Not Found"), 2, &["you/handoff", "404"]),
        ("GET", API, Fault::Answer(403, spent, "API rate limit exceeded"), 4, &["rate limit", " s"]),
        ("GET", API, Fault::Garbage, 4, &["you/handoff"]),
    ];
    for (method, path, fault, code, parts) in cases {
        let run = GithubRun::new();
        run.fault(method, path, fault.clone());
        let (_, stderr) = run.dispatch(&["--sizes", "64MiB"], code);
        one_line(&stderr, parts);
        assert!(run.github.state().runs.len() == 1, "{fault:?} started a run");
    }

    // A start that nobody heard of is not repeated: it could run twice.
    let run = GithubRun::new();
    run.fault("POST", dispatches, Fault::Reset);
    let (_, stderr) = run.dispatch(&[], 4);
    one_line(&stderr, &["starting `handoff.yml`"]);
    assert_eq!(run.github.count("POST", API), 1);

    // A fault while the run is watched names the run, which goes on.
    let run = GithubRun::new();
    run.fault("GET", "/repos/you/handoff/actions/runs/4711/jobs", Fault::Answer(400, vec![], "oops"));
    let (_, stderr) = run.dispatch(&[], 4);
    one_line(&stderr, &["400", "oops"]);
    assert!(stderr.contains("the run goes on without this: handoff collect"), "{stderr}");

    let run = GithubRun::new();
    let (_, stderr) = run.collect(2);
    one_line(&stderr, &["run 4711 in `you/handoff`"]);
    let (_, stderr) = expect(run.verb(&["dispatch", "--repo", "handoff"]).env_remove("GH_TOKEN"), 2);
    one_line(&stderr, &["GH_TOKEN", "gh auth login"]);
    let (_, stderr) = expect(&mut run.verb(&["dispatch", "--repo", "you/hand off"]), 2);
    one_line(&stderr, &["OWNER/NAME"]);
}

#[test]
fn expired_or_missing_artifact_is_named() {
    let run = GithubRun::new();
    run.github.state().runs.push(RUN);
    let (_, stderr) = run.collect(2);
    one_line(&stderr, &["run 4711 left no plan"]);
    let cells = run.plan(&SMALL);
    for cell in &cells {
        run.sides(cell);
    }
    run.fault("GET", "/repos/you/handoff/actions/artifacts/0/", Fault::Answer(410, vec![], "Gone"));
    let (_, stderr) = run.collect(2);
    one_line(&stderr, &["artifact `handoff-plan` of run 4711", "expired"]);
    run.github.state().artifacts[1].expired = true;
    let (_, stderr) = run.collect(2);
    one_line(&stderr, &[&format!("artifact `handoff-marks-{}-producer`", cells[0].id), "expired"]);
    assert!(!run.path("rows").exists());
}
