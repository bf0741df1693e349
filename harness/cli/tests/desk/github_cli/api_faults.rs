//! Answers of the API that are paged, late, refused or gone.

use super::*;

#[test]
fn every_page_of_a_list_is_read() {
    let desk = GithubRun::new();
    let cells = desk.plan(&[("sizes", "64MiB"), ("strategies", "artifact"), ("rounds", "120")]);
    assert_eq!(cells.len(), 120);
    for cell in &cells {
        desk.role(cell, Role::Producer, Some(Failure::new("upload", "no room")));
        for job in ["producer", "consumer 1"] {
            desk.job(&format!("{} / {job}", cell.id), "failure");
        }
    }
    desk.github.state().runs.push(RUN);
    desk.collect(1);
    let rows = desk.rows("rows").measurements;
    assert!(rows.len() == 120 && rows.iter().all(|r| r.error == "no room"));
    let pages = |list: &str| desk.github.count("GET", &format!("{RUNS}{RUN}/{list}"));
    assert_eq!(pages("artifacts"), 2, "121 artifacts");
    assert_eq!(pages("jobs") % 3, 0, "240 jobs");
}

#[test]
fn limits_and_faults_that_pass_are_waited_for() {
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2;
    let desk = GithubRun::new();
    desk.ran(&SMALL);
    desk.github.state().runs.push(RUN);
    let of_run = "/repos/you/handoff/actions/runs/4711";
    let none_left = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", soon.to_string())];
    for (path, fault) in [
        (of_run, Fault::Answer(429, vec![("retry-after", "3".to_owned())], "Too Many Requests")),
        (of_run, Fault::Answer(403, none_left, "API rate limit exceeded")),
        (of_run, Fault::Answer(403, vec![], "You have exceeded a secondary rate limit")),
        (of_run, Fault::Answer(502, vec![], "Bad Gateway")),
        ("/repos/you/handoff/actions/artifacts/", Fault::Reset),
        ("/repos/you/handoff/actions/artifacts/", Fault::Answer(503, vec![], "Service Unavailable")),
    ] {
        desk.fault("GET", path, fault);
    }
    desk.collect(0);
    assert_eq!(desk.rows("rows").measurements.len(), 2);
    assert!(desk.github.state().faults.is_empty(), "{:?}", desk.github.state().faults);
}

#[test]
fn what_does_not_pass_is_one_line_with_its_mend() {
    let later = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_000;
    let spent = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", later.to_string())];
    let dispatches = "/repos/you/handoff/actions/workflows/handoff.yml/dispatches";
    let cases: [(&str, &str, Fault, i32, &[&str]); 6] = [
        ("GET", API, Fault::Answer(401, vec![], "Bad credentials"), 2, &["Bad credentials", "token needs"]),
        ("POST", dispatches, Fault::Answer(403, vec![], "Resource not accessible"), 2, &["actions: write"]),
        ("POST", dispatches, Fault::Answer(422, vec![], "No ref found for: nope"), 4, &["No ref found for: nope"]),
        ("GET", API, Fault::Answer(404, vec![], "Not Found"), 2, &["you/handoff", "404"]),
        ("GET", API, Fault::Answer(403, spent, "API rate limit exceeded"), 4, &["rate limit", " s"]),
        ("GET", API, Fault::Garbage, 4, &["you/handoff"]),
    ];
    for (method, path, fault, code, parts) in cases {
        let desk = GithubRun::new();
        desk.fault(method, path, fault.clone());
        let (_, stderr) = desk.dispatch(&["--sizes", "64MiB"], code);
        one_line(&stderr, parts);
        assert!(desk.github.state().runs.len() == 1, "{fault:?} started a run");
    }

    // A start that nobody heard of is not repeated: it could run twice.
    let desk = GithubRun::new();
    desk.fault("POST", dispatches, Fault::Reset);
    let (_, stderr) = desk.dispatch(&[], 4);
    one_line(&stderr, &["starting `handoff.yml`"]);
    assert_eq!(desk.github.count("POST", API), 1);

    // A server that stays broken is given up, and the run that goes on is named.
    let desk = GithubRun::new();
    for _ in 0..5 {
        desk.fault("GET", "/repos/you/handoff/actions/runs/4711/jobs", Fault::Answer(500, vec![], "oops"));
    }
    let (_, stderr) = desk.dispatch(&[], 4);
    one_line(&stderr, &["500", "oops"]);
    assert!(stderr.contains("the run goes on without this: handoff collect"), "{stderr}");

    let desk = GithubRun::new();
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["run 4711 in `you/handoff`"]);
    let (_, stderr) = expect(desk.verb(&["dispatch", "--repo", "handoff"]).env_remove("GH_TOKEN"), 2);
    one_line(&stderr, &["GH_TOKEN", "gh auth login"]);
    let (_, stderr) = expect(&mut desk.verb(&["dispatch", "--repo", "you/hand off"]), 2);
    one_line(&stderr, &["OWNER/NAME"]);
}

#[test]
fn what_has_expired_or_never_was_is_named() {
    let desk = GithubRun::new();
    desk.github.state().runs.push(RUN);
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["run 4711 left no plan"]);
    let cells = desk.plan(&SMALL);
    for cell in &cells {
        desk.sides(cell);
    }
    desk.fault("GET", "/repos/you/handoff/actions/artifacts/0/", Fault::Answer(410, vec![], "Gone"));
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &["artifact `handoff-plan` of run 4711", "expired"]);
    desk.github.state().artifacts[1].expired = true;
    let (_, stderr) = desk.collect(2);
    one_line(&stderr, &[&format!("artifact `handoff-side-{}-producer`", cells[0].id), "expired"]);
    assert!(!desk.path("rows").exists());
}
