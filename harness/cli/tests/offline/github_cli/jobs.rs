//! Verbs that jobs of the workflows call.

use super::*;

#[test]
fn cell_removes_what_it_stored_and_nothing_else() {
    let run = GithubRun::new();
    let cell = run.plan(&SMALL).remove(0);
    run.github.state().artifacts.clear();
    run.keep("of-another", b"");
    run.keep(&cell.name, b"");
    let layer = "ab".repeat(32);
    let keys = [format!("image-{}", cell.name), format!("buildkit-blob-1-sha256:{layer}"), "npm-linux".to_owned()];
    // More entries than a page holds, ours among the last.
    let others = (0..150).map(|n| (n, format!("other-{n}")));
    run.github.state().caches = others.chain(keys.into_iter().enumerate().map(|(n, k)| (200 + n as u64, k))).collect();
    let sides = run.path("marks");
    std::fs::create_dir_all(&sides).unwrap();
    run.role(&cell, Role::Producer, None);
    let kept = run.github.state().artifacts.pop().unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(kept.zip)).unwrap();
    let mut file: Value = serde_json::from_reader(archive.by_name("job.json").unwrap()).unwrap();
    file["cache_layers"] = json!([layer]);
    std::fs::write(sides.join("job.json"), file.to_string()).unwrap();
    let clean = |token: bool| {
        let mut command = run.verb(&["github", "clean", "marks"]);
        command.env("HANDOFF_CELL", serde_json::to_string(&cell).unwrap());
        command.env("GITHUB_REPOSITORY", "you/handoff").env("GITHUB_RUN_ID", RUN.to_string());
        if !token {
            command.env_remove("GH_TOKEN");
        }
        expect(&mut command, 0).1
    };
    assert!(clean(false).contains("nothing is removed"));
    assert!(run.github.state().deleted.is_empty());
    let said = clean(true);
    assert!(said.contains("removed 1 artifacts and 2 cache entries"), "{said}");
    assert_eq!(run.github.state().deleted, ["artifacts/1", "caches/200", "caches/201"]);
}

#[test]
fn measured_link_is_a_profile_that_plan_accepts() {
    let run = GithubRun::new();
    let mut serve = handoff(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let variables: Vec<(String, String)> = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|l| l.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())))
        .take_while(|(name, _)| name != "NODE_OPTIONS")
        .collect();
    let mut calibrate = run.verb(&["github", "calibrate"]);
    calibrate.envs(variables).env("HANDOFF_INPUT_MEGABYTES", "16").env("HANDOFF_INPUT_REPEATS", "2");
    calibrate.env("HANDOFF_INPUT_RUNNER", "ubuntu\"-24.04");
    let (table, _) = expect(&mut calibrate, 0);
    serve.kill().unwrap();
    serve.wait().unwrap();
    for figure in
        ["up, 1 connection", "up, 5 connections", "up, 32 connections", "down, 8 ranged GETs", "call of the service"]
    {
        assert!(table.contains(figure), "{figure}: {table}");
    }
    let profile = "handoff-profile/measured.toml";
    let (text, _) = expect(&mut run.verb(&["profiles", profile]), 0);
    assert!(text.contains("runner ubuntu-24.04") && text.contains("iB/s"), "{text}");
    assert!(text.contains(", measured") && text.contains(", assumed") && !text.contains(", published"), "{text}");
    let (plan, _) = expect(&mut run.verb(&["plan", "--sizes", "64MiB", "--rounds", "1", "--profile", profile]), 0);
    assert!(plan.contains("measured"), "{plan}");
}
