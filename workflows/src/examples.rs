//! Workflows to copy that no strategy measures: receiving in the background, and one job without a hand-over.
//!
//! Both use steps that run at the same time: `background` with `wait`, and `parallel`. GitHub has them for workflows since
//! 2026-06-25, and not for composite actions.

use crate::WorkflowError;
use crate::digest;
use crate::model::{Job, Step, file};
use crate::pins::Pins;
use crate::steps::{HOST_NETWORK, NO_BUILD_RECORDS, cached_program, checkout};
use crate::yaml::{Node, map};

/// Folder of the files, from the workspace's root.
const DIR: &str = "docs/examples";

/// Revision of this repository's actions: the reader fills in owner and commit.
const OURS: &str = "OWNER/handoff/";
const COMMIT: &str = "COMMIT";
const FILL_IN: &str = "zizmor: ignore[unpinned-uses] fill in the owner and the commit of your copy";

/// Number of shards of the tests.
const SHARDS: u32 = 3;

/// Both files: path from the workspace's root, and text.
///
/// # Errors
/// An action has no pin.
pub fn all(pins: &Pins) -> Result<Vec<(String, String)>, WorkflowError> {
    Ok(vec![
        (format!("{DIR}/receive-in-background.yml"), receive_in_background(pins)?),
        (format!("{DIR}/one-job.yml"), one_job(pins)?),
    ])
}

fn ours(action: &str) -> Node {
    Node::Noted(format!("{OURS}{action}@{COMMIT}"), FILL_IN.to_owned())
}

fn job() -> Job {
    Job::default().set("runs-on", "ubuntu-latest").set("timeout-minutes", 30)
}

fn workflow(jobs: Vec<(&str, Job)>) -> String {
    file(vec![
        ("name", "ci".into()),
        ("on", map([("push", Node::Map(vec![])), ("pull_request", Node::Map(vec![]))])),
        ("permissions", map([("contents", "read")])),
        ("env", map(NO_BUILD_RECORDS)),
        ("jobs", map(jobs)),
    ])
}

fn receive_in_background(pins: &Pins) -> Result<String, WorkflowError> {
    let builder = Step::uses("Set up a builder", pins.uses("docker/setup-buildx-action")?)
        .with("driver-opts", HOST_NETWORK)
        .with("cache-binary", false);
    let program = cached_program(pins, COMMIT)?;
    let send = Step::uses("Build and send", ours("send")).id("send").with("image", "app:ci").with("context", ".");
    let build = digest::output(&["send".to_owned()]).map_or_else(job, |digest| job().set("outputs", map([digest])));
    let build = build.with_steps([checkout(pins)?, builder, program.clone(), send]);
    let receive = Step::uses("Receive the image", ours("receive")).id("image").in_background();
    let receive = receive.with("digest", digest::of_job("build")).with("continue-on-failure", true);
    let test = job().set("needs", "build").with_steps([
        program,
        receive,
        checkout(pins)?,
        Step::run("Prepare the tests", "make test-data"),
        Step::wait("image"),
        Step::run("Build the image that did not arrive", "docker build --tag app:ci .")
            .when("steps.image.outputs.outcome != 'success'"),
        Step::run("Test", "docker run --rm --volume \"$PWD/test-data:/data\" app:ci make test"),
    ]);
    Ok(workflow(vec![("build", build), ("test", test)]))
}

fn one_job(pins: &Pins) -> Result<String, WorkflowError> {
    let build = Step::uses("Build", pins.uses("docker/build-push-action")?)
        .with("context", ".")
        .with("tags", "app:ci")
        .with("load", true);
    let lint = Step::run("Lint", "docker run --rm app:ci make lint");
    let test = |shard: u32| {
        Step::run(&format!("Test {shard}"), "docker run --rm -e SHARD -e SHARDS app:ci make test")
            .env("SHARD", shard)
            .env("SHARDS", SHARDS)
    };
    let builder = Step::uses("Set up a builder", pins.uses("docker/setup-buildx-action")?).with("cache-binary", false);
    let checks = Step::parallel([lint].into_iter().chain((1..=SHARDS).map(test)));
    Ok(workflow(vec![("checks", job().with_steps([checkout(pins)?, builder, build, checks]))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_used_after_the_wait_and_received_before_the_checkout() {
        let files = all(&Pins::built_in().unwrap()).unwrap();
        let text = &files[0].1;
        let test = text.split_once("  test:\n").unwrap().1;
        let at = |what: &str| test.find(what).unwrap_or_else(|| panic!("{what}: {test}"));
        assert!(at("background: true") < at("Check out") && at("Check out") < at("- wait: image"), "{test}");
        assert!(at("- wait: image") < at("outcome != 'success'"), "{test}");
        assert!(at("docker build") < at("docker run"), "{test}");
        assert_eq!(text.matches("background:").count(), 1);
    }

    #[test]
    fn checks_of_one_job_run_in_parallel_after_the_build() {
        let files = all(&Pins::built_in().unwrap()).unwrap();
        let (before, after) = files[1].1.split_once("- parallel:\n").unwrap();
        assert!(before.contains("docker/build-push-action@") && !before.contains("docker run"), "{before}");
        assert_eq!(after.matches("docker run").count(), 1 + SHARDS as usize, "{after}");
    }
}
