//! `action.yml`: comparison of all strategies on the caller's image, as one step of the caller's workflow.

use crate::WorkflowError;
use crate::model::{Step, expression, file};
use crate::pins::Pins;
use crate::steps::upload;
use crate::yaml::{Node, map};

/// File name.
pub const FILE: &str = "action.yml";

/// Inputs: name, description, default. The step passes them as variables `HANDOFF_INPUT_NAME`, never inside a script.
const INPUTS: [(&str, &str, &str); 9] = [
    ("context", "Folder with the Dockerfile, relative to the workspace", "."),
    ("dockerfile", "Dockerfile, relative to the workspace (empty - the one in the context)", ""),
    (
        "build_args",
        "Build arguments as KEY=VALUE, one per line and never confidential; results contain the names and digests of the values",
        "",
    ),
    ("strategies", "Strategies and variants, separated by commas", "all"),
    ("rounds", "Number of rounds - each runs every strategy once, in shuffled order", "3"),
    ("consumers", "Number of jobs that need the image", "1"),
    ("profile", "Link profile of Handoff's services", "github-hosted"),
    ("image_store", "Image store of the engines - containerd or overlay2", "containerd"),
    ("retention", "Retention of the results in days", "30"),
];

/// Text of the file.
///
/// # Errors
/// An action has no pin.
pub fn text(pins: &Pins) -> Result<String, WorkflowError> {
    let inputs = INPUTS.iter().map(|(name, description, default)| {
        (*name, map([("description", Node::from(*description)), ("default", Node::from(*default))]))
    });
    let compare = INPUTS.iter().filter(|(name, ..)| *name != "retention").fold(
        // The action's folder is a variable of the environment.
        Step::run("Compare", "\"$GITHUB_ACTION_PATH/scripts/action\"").id("compare"),
        |step, (name, ..)| {
            step.env(&format!("HANDOFF_INPUT_{}", name.to_uppercase()), expression(&format!("inputs.{name}")))
        },
    );
    let folder = ("handoff-results", "${{ steps.compare.outputs.results }}");
    let keep = upload(pins, "Keep rows and report", folder, "${{ inputs.retention }}")?
        .when("always() && steps.compare.outputs.results != ''");
    let output = map([
        ("description", Node::from("Folder with the rows and the report")),
        ("value", Node::from("${{ steps.compare.outputs.results }}")),
    ]);
    Ok(file(vec![
        ("name", "Handoff".into()),
        (
            "description",
            "Compares the ways to hand this repository's Docker image from job to job without a registry".into(),
        ),
        ("inputs", map(inputs)),
        ("outputs", map([("results", output)])),
        ("runs", map([("using", Node::from("composite")), ("steps", Node::List(vec![compare.into(), keep.into()]))])),
    ]))
}
