//! `action.yml`: the comparison on another repository's own image, on its runner, as one step of its workflow.

use crate::WorkflowError;
use crate::model::{Step, expression, file};
use crate::pins::Pins;
use crate::steps::upload;
use crate::yaml::{Node, map};

/// The file's name.
pub const FILE: &str = "action.yml";

/// What may be asked: name, meaning, default. The step passes them on as `HANDOFF_INPUT_NAME`, never into a script.
const INPUTS: [(&str, &str, &str); 9] = [
    ("context", "Folder with the Dockerfile, from the workspace", "."),
    ("dockerfile", "The Dockerfile, from the workspace (empty - the one in the context)", ""),
    (
        "build_args",
        "Build arguments, KEY=VALUE, one a line; results keep names and digests of values, so nothing secret",
        "",
    ),
    ("strategies", "Strategies and variants, with commas", "all"),
    ("rounds", "Rounds - each holds every strategy once, in shuffled order", "3"),
    ("consumers", "Jobs that need the image", "1"),
    ("profile", "Link profile that shapes Handoff's own services", "github-hosted"),
    ("image_store", "Where engines keep images - containerd or overlay2", "containerd"),
    ("retention", "Days for which results are kept", "30"),
];

/// The file's text.
pub fn text(pins: &Pins) -> Result<String, WorkflowError> {
    let inputs = INPUTS.iter().map(|(name, description, default)| {
        (*name, map([("description", Node::from(*description)), ("default", Node::from(*default))]))
    });
    let compare = INPUTS.iter().filter(|(name, ..)| *name != "retention").fold(
        // The folder of the action comes through the environment, as everything does.
        Step::run("Compare", "\"$GITHUB_ACTION_PATH/scripts/action\"").id("compare"),
        |step, (name, ..)| {
            step.env(&format!("HANDOFF_INPUT_{}", name.to_uppercase()), expression(&format!("inputs.{name}")))
        },
    );
    let folder = ("handoff-results", "${{ steps.compare.outputs.results }}");
    let keep = upload(pins, "Keep rows and report", folder, "${{ inputs.retention }}")?
        .when("always() && steps.compare.outputs.results != ''");
    let output = map([
        ("description", Node::from("Folder with rows and report")),
        ("value", Node::from("${{ steps.compare.outputs.results }}")),
    ]);
    Ok(file(vec![
        ("name", "Handoff".into()),
        (
            "description",
            "Compares the ways to hand this repository's Docker image from job to job, without a registry".into(),
        ),
        ("inputs", map(inputs)),
        ("outputs", map([("results", output)])),
        ("runs", map([("using", Node::from("composite")), ("steps", Node::List(vec![compare.into(), keep.into()]))])),
    ]))
}
