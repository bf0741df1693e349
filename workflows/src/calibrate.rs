//! `handoff-calibrate.yml`: measures a runner's own link and writes a profile for `handoff run --profile`.

use crate::WorkflowError;
use crate::model::{Input, Job, Step, file};
use crate::pins::Pins;
use crate::run::{BUILD, environment};
use crate::steps::{checkout, upload};
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
    let script = "handoff-bin/handoff github calibrate --out handoff-profile\ncat handoff-profile/calibration.md >> \"$GITHUB_STEP_SUMMARY\"\n";
    let measure = environment(&inputs).fold(Step::run("Measure", script), |step, (name, value)| step.env(&name, value));
    let job = Job::named("calibrate")
        .set("runs-on", "${{ inputs.runner }}")
        .set("timeout-minutes", 60)
        .may(&[("contents", "read")])
        .with_steps([
            checkout(pins)?,
            Step::run("Build handoff", BUILD),
            Step::uses("Let steps reach the artifact service", pins.uses("crazy-max/ghaction-github-runtime")?),
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
