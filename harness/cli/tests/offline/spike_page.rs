//! `handoff report --spike`: the page of the spike's statements.

use std::fs;
use std::path::Path;

use handoff_model::{Builder, Conditions, ImageStore, PlanRequest};

use crate::support::{SampleRuns, expect, handoff, request, seconds};

const FIVE: &str = "artifact,cache-tar,gha-cache,local-cache,zstd-stream";

#[test]
fn page_merges_folders_of_different_conditions_and_is_checked() {
    let samples = SampleRuns::new();
    let recipe = Conditions {
        image_store: ImageStore::Overlay2,
        builder: Builder::DockerContainer,
        profile: "github-hosted".into(),
        ..Conditions::default()
    };
    let here = samples.run("here", request(FIVE, &["1GiB"], 8), 2, seconds);
    let there =
        samples.run("there", PlanRequest { conditions: vec![recipe], ..request(FIVE, &["1GiB"], 8) }, 2, seconds);
    let page = Path::new(&here).parent().unwrap().join("docs-spike.md").display().to_string();
    expect(&mut handoff(&["report", &here, &there, "--spike", &page]), 0);
    let text = fs::read_to_string(&page).unwrap();
    let transfer = text.lines().find(|l| l.contains("| transfer of `artifact` |")).unwrap();
    assert!(transfer.contains("faster than claimed") && transfer.ends_with("[there](there/) |"), "{transfer}");
    assert!(
        text.contains("as claimed | artifacts count against the plan's storage"),
        "facts of strategies are known here"
    );
    assert!(text.contains("the workflow uses lhotari/gh-actions-artifact-client"), "workflows are counted here");
    assert!(!Path::new(&here).join("report.md").exists(), "only the page is written");

    expect(&mut handoff(&["report", &here, &there, "--spike", &page, "--check"]), 0);
    fs::write(&page, text.replace("faster than claimed", "as claimed")).unwrap();
    let (_, stderr) = expect(&mut handoff(&["report", &here, &there, "--spike", &page, "--check"]), 2);
    assert!(stderr.contains("differs from the results: run `make spike-page`"), "{stderr}");
    let (_, stderr) = expect(&mut handoff(&["report", &here, "--spike", &page, "--readme", &page]), 2);
    assert!(stderr.contains("--readme"), "{stderr}");
}
