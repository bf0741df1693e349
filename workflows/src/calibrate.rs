//! `handoff-calibrate.yml`: measures a runner's own link and writes a profile for `handoff run --profile`.

use crate::WorkflowError;
use crate::model::{Input, Job, Step, file};
use crate::pins::Pins;
use crate::run::BUILD;
use crate::yaml::{Node, map};

/// The file's name.
pub const FILE: &str = "handoff-calibrate.yml";

/// The file's text.
pub fn text(pins: &Pins) -> Result<String, WorkflowError> {
    let inputs = [
        Input::text("runner", "Label of the runner", "ubuntu-latest"),
        Input::text("megabytes", "MiB that each measurement moves", "256"),
        Input::text("repeats", "How often each measurement is taken", "3"),
    ];
    let mut job = Job::named("calibrate")
        .set("runs-on", "${{ inputs.runner }}")
        .set("timeout-minutes", 60)
        .may(&[("contents", "read")]);
    job.push(Step::uses("Check out", pins.uses("actions/checkout")?).with("persist-credentials", false));
    job.push(Step::run("Build handoff", BUILD));
    job.push(Step::uses("Let steps reach the artifact service", pins.uses("crazy-max/ghaction-github-runtime")?));
    job.push(
        Step::run(
            "Measure",
            "handoff-bin/handoff github calibrate --out handoff-profile\ncat handoff-profile/calibration.md >> \"$GITHUB_STEP_SUMMARY\"\n",
        )
        .env("HANDOFF_INPUT_RUNNER", "${{ inputs.runner }}")
        .env("HANDOFF_INPUT_MEGABYTES", "${{ inputs.megabytes }}")
        .env("HANDOFF_INPUT_REPEATS", "${{ inputs.repeats }}"),
    );
    job.push(
        Step::uses("Keep the profile", pins.uses("actions/upload-artifact")?)
            .with("name", "handoff-profile")
            .with("path", "handoff-profile")
            .with("retention-days", 30),
    );
    Ok(file(vec![
        ("name", "handoff calibrate".into()),
        ("on", map([("workflow_dispatch", map([("inputs", Node::Map(inputs.iter().map(Input::node).collect()))]))])),
        ("permissions", Node::Map(vec![])),
        ("concurrency", map([("group", Node::from("handoff")), ("cancel-in-progress", false.into())])),
        ("jobs", map([("calibrate", job)])),
    ]))
}
