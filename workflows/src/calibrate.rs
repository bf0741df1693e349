//! `handoff-calibrate.yml`: measurement of a runner's link, as a profile for `handoff run --profile`.

use crate::WorkflowError;
use crate::model::{Input, Job, Step, file};
use crate::pins::Pins;
use crate::run::{BUILD, environment};
use crate::steps::{checkout, upload};
use crate::yaml::{Node, map};

/// File name.
pub const FILE: &str = "handoff-calibrate.yml";

/// Text of the file.
///
/// # Errors
/// An action has no pin.
pub fn text(pins: &Pins) -> Result<String, WorkflowError> {
    let inputs = [
        Input::text("runner", "Label of the runner", "ubuntu-latest"),
        Input::text("megabytes", "MiB of each measurement", "256"),
        Input::text("repeats", "Number of repeats of each measurement", "3"),
    ];
    let script = "handoff-bin/handoff github calibrate --out handoff-profile\ncat handoff-profile/calibration.md >> \"$GITHUB_STEP_SUMMARY\"\n";
    let measure = environment(&inputs).fold(Step::run("Measure", script), |step, (name, value)| step.env(&name, value));
    let job = Job::named("calibrate")
        .set("runs-on", "${{ inputs.runner }}")
        .set("timeout-minutes", 60)
        .may(&[("contents", "read")])
        .with_steps([
            checkout(pins)?,
            Step::run("Build handoff", BUILD),
            Step::uses("Give steps access to the artifact service", pins.uses("crazy-max/ghaction-github-runtime")?),
            measure,
            upload(pins, "Keep the profile", ("handoff-profile", "handoff-profile"), 30)?,
        ]);
    Ok(file(vec![
        ("name", "handoff calibrate".into()),
        ("on", Input::form(&inputs)),
        ("permissions", Node::Map(vec![])),
        ("concurrency", map([("group", Node::from("handoff")), ("cancel-in-progress", false.into())])),
        ("jobs", map([("calibrate", job)])),
    ]))
}
