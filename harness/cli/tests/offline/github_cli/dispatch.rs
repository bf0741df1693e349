//! Runs that are started, watched, picked up and gone on with.

use super::*;

#[test]
fn dispatched_run_is_watched_and_its_rows_are_collected() {
    for tells_run in [true, false] {
        let run = GithubRun::new();
        run.github.state().tells_run = tells_run;
        run.ran(&SMALL);
        let args = ["--sizes", "64MiB", "--strategies", "artifact,cache-tar", "--rounds", "1", "--runner", "big"];
        let (stdout, stderr) = run.dispatch(&args, 0);
        assert_eq!(stdout.trim(), RUN.to_string());
        assert!(stderr.contains(&format!("handoff collect --repo you/handoff --run-id {RUN}")), "{stderr}");
        assert!(stderr.contains("/ producer (6 of 6 jobs"), "{stderr}");
        let seen = run.github.state().seen.clone();
        let posted = seen.iter().find(|s| s.method == "POST").unwrap();
        assert_eq!(posted.body["ref"], "trunk");
        let inputs = json!({ "sizes": "64MiB", "strategies": "artifact,cache-tar", "rounds": "1", "runner": "big" });
        assert_eq!(posted.body["inputs"], inputs);
        assert_eq!(seen.iter().filter(|s| s.method == "POST").count(), 1);
        // The token is for the API; where the bytes lie, a signed address is enough.
        let (signed, asked): (Vec<_>, Vec<_>) = seen.iter().partition(|s| s.path.starts_with("/signed/"));
        assert!(signed.len() == 5 && signed.iter().all(|s| s.token.is_none()), "{signed:?}");
        assert!(asked.iter().all(|s| s.token.as_deref() == Some("Bearer test-token")), "{asked:?}");

        let rows = run.rows(&format!("results/github-{RUN}"));
        assert_eq!(rows.measurements.len(), 2);
        for row in &rows.measurements {
            assert_eq!((row.outcome, row.profile.as_str()), (Outcome::Completed, "github"), "{}", row.error);
            assert_eq!(row.critical_path_ns, Some(13_000_000_000));
            assert_eq!(row.queue_ns, Some(10_000_000_000), "five seconds a job");
            assert_eq!((row.bytes_up, row.requests), (None, None), "nobody counted them");
        }
        expect(&mut run.verb(&["report", &format!("results/github-{RUN}")]), 0);
    }
}

#[test]
fn server_that_refuses_run_details_is_asked_without_them() {
    let run = GithubRun::new();
    run.ran(&SMALL);
    run.github.state().tells_run = false;
    let refused = Fault::Answer(422, vec![], "Invalid request. \"return_run_details\" is not a permitted key.");
    run.fault("POST", API, refused);
    run.dispatch(&[], 0);
    assert_eq!(run.github.count("POST", API), 2);
}

#[test]
fn interrupted_dispatch_is_collected_and_failed_jobs_are_rows() {
    let run = GithubRun::new();
    let cells = run.plan(&SMALL);
    run.role(&cells[0], Role::Producer, Some(Failure::new("upload", "the artifact service said 503")));
    run.job(&format!("{} / producer", cells[0].id), "failure");
    run.job(&format!("{} / consumer 1", cells[0].id), "skipped");
    // Its runner was lost: no file at all.
    run.job(&format!("{} / producer", cells[1].id), "timed_out");
    run.github.state().looks = usize::MAX;
    run.github.state().conclusion = "failure";
    let mut child =
        run.verb(&["dispatch", "--repo", "you/handoff"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while run.github.count("GET", &format!("{RUNS}{RUN}/jobs")) < 1 {
        assert!(child.try_wait().unwrap().is_none(), "it did not wait");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run.github.state().looks = 1;
    let (_, stderr) = run.collect(1);
    assert!(stderr.contains("0 trials completed, 2 failed, 0 not started"), "{stderr}");
    let rows = run.rows("rows").measurements;
    let found: BTreeMap<&str, (Outcome, &str)> =
        rows.iter().map(|r| (r.trial.as_str(), (r.outcome, r.error.as_str()))).collect();
    assert_eq!(found[cells[0].id.as_str()], (Outcome::Failed, "the artifact service said 503"));
    let (outcome, error) = found[cells[1].id.as_str()];
    assert!(outcome == Outcome::TimedOut && error.contains("no marks") && error.contains("timed_out"), "{error}");
    assert!(rows.iter().all(|r| r.critical_path_ns.is_none()));
    // The same run again adds nothing.
    run.collect(0);
    assert_eq!(run.rows("rows").measurements.len(), 2);
}

#[test]
fn outstanding_trials_of_a_cancelled_run_are_dispatched_again() {
    let run = GithubRun::new();
    let cells = run.plan(&SMALL);
    run.sides(&cells[0]);
    run.job(&format!("{} / producer", cells[1].id), "cancelled");
    run.github.state().conclusion = "cancelled";
    let (_, stderr) = run.dispatch(&["--out", "rows"], 0);
    assert!(stderr.contains("ended: cancelled"), "{stderr}");
    assert!(stderr.contains("1 trials completed, 0 failed, 1 not started"), "{stderr}");

    // The second run knows nothing of the first but its inputs, and makes the same plan of them.
    let inputs = {
        let (looked, _) = run.dispatch(&["--outstanding", "--out", "rows", "--no-wait"], 0);
        assert_eq!(looked.trim(), (RUN + 1).to_string());
        run.github.state().seen.iter().rfind(|s| s.method == "POST").unwrap().body["inputs"].clone()
    };
    assert_eq!(inputs["only"], Value::from(cells[1].id.as_str()));
    run.github.state().artifacts.clear();
    run.github.state().jobs.clear();
    let inputs: Vec<(&str, &str)> =
        inputs.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let again = run.plan(&inputs);
    assert_eq!(again.iter().map(|c| &c.id).collect::<Vec<_>>(), [&cells[1].id]);
    run.sides(&again[0]);
    run.github.state().conclusion = "success";
    let id = (RUN + 1).to_string();
    expect(&mut run.verb(&["collect", "--repo", "you/handoff", "--run-id", &id, "--out", "rows"]), 0);
    let rows = run.rows("rows").measurements;
    assert_eq!(rows.iter().filter(|r| r.outcome == Outcome::Completed).count(), 2);
    let (_, stderr) = run.dispatch(&["--outstanding", "--out", "rows"], 0);
    assert!(stderr.contains("nothing is outstanding"), "{stderr}");
    // Rows of another plan do not go into the same folder.
    run.github.state().artifacts.clear();
    run.plan(&[("sizes", "96MiB"), ("strategies", "artifact"), ("rounds", "1")]);
    let (_, stderr) = run.collect(2);
    one_line(&stderr, &["rows has another plan"]);
}
