//! Rows of runs on GitHub beside others.

use super::*;

#[test]
fn github_and_local_rows_are_reported_together_but_never_compared() {
    let run = GithubRun::new();
    run.ran(&[("sizes", "64MiB"), ("strategies", "artifact,cache-tar"), ("rounds", "2"), ("builder", "docker")]);
    run.github.state().runs.push(RUN);
    run.collect(0);
    let github = run.path("rows").display().to_string();
    let samples = SampleRuns::new();
    let local = samples.run("local", request("artifact,cache-tar", &["64MiB"], 2), 2, |_| Some((9.0, 6.0)));
    expect(&mut run.verb(&["report", &github, &local, "--out", "both"]), 0);
    let text = std::fs::read_to_string(run.path("both/report.md")).unwrap();
    for part in [
        "64MiB, host engine, overlay2 store, docker builder, profile github",
        "64MiB, private engine, containerd store, docker builder, profile loopback",
        "Rows of profile `github` were measured on GitHub.",
        "8 trials planned, 8 completed",
        "environments are mixed here",
        "Each cell has rows of one.",
        "handoff dispatch --repo OWNER/NAME --sizes 64MiB --strategies artifact,cache-tar --rounds 2",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (json, _) = expect(&mut run.verb(&["report", &github, &local, "--format", "json"]), 0);
    let document: Value = serde_json::from_str(&json).unwrap();
    let groups = document["analysis"]["groups"].as_array().unwrap();
    let profiles: Vec<&Value> = groups.iter().map(|g| &g["key"]["conditions"]["profile"]).collect();
    assert_eq!(profiles.len(), 2, "{profiles:?}");
    assert_ne!(profiles[0], profiles[1]);
    let (_, stderr) = expect(&mut run.verb(&["compare", &github, &local]), 2);
    one_line(&stderr, &["differ in"]);
}

#[test]
fn post_step_of_the_cache_action_is_timed_by_the_jobs_api() {
    let run = GithubRun::new();
    let combined = [("sizes", "64MiB"), ("strategies", "cache-tar:action=combined"), ("rounds", "1")];
    let cell = run.plan(&combined).remove(0);
    run.role(&cell, Role::Producer, None);
    run.role(&cell, Role::Consumer, None);
    let mut producer = job(&format!("{} / producer", cell.id), 5, "success");
    let step = |name: &str, from: u32, to: u32| {
        let at = |s: u32| format!("2026-01-01T12:01:{s:02}Z");
        json!({ "name": name, "status": "completed", "started_at": at(from), "completed_at": at(to) })
    };
    producer["steps"] = json!([step("cache-tar: cache", 0, 1), step("Post cache-tar: cache", 10, 17)]);
    run.github.state().jobs = vec![producer.clone(), job(&format!("{} / consumer 1", cell.id), 5, "success")];
    run.github.state().runs.push(RUN);
    run.collect(0);
    let rows = run.rows("rows");
    assert_eq!(rows.measurements[0].produce_ns, Some(16_000_000_000), "nine seconds by marks, seven by the API");
    assert_eq!(rows.measurements[0].critical_path_ns, Some(20_000_000_000));
    let detail = "Post cache-tar: cache (jobs API, to the second)";
    assert!(rows.spans.iter().any(|s| s.detail == detail && s.end_ns - s.start_ns == 7_000_000_000));

    // What nobody has timed is no time.
    producer["steps"] = json!([step("cache-tar: cache", 0, 1)]);
    run.github.state().jobs[0] = producer;
    std::fs::remove_dir_all(run.path("rows")).unwrap();
    run.collect(1);
    let row = &run.rows("rows").measurements[0];
    assert!(row.error.contains("does not list the step `Post cache-tar: cache`"), "{}", row.error);
    assert_eq!(row.critical_path_ns, None);
    let local = ["plan", "--sizes", "64MiB", "--strategies", "cache-tar:action=combined"];
    let (_, stderr) = expect(&mut run.verb(&local), 2);
    one_line(&stderr, &["action"]);
}
