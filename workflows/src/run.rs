//! `handoff.yml`: whole experiment, started by a user.

use crate::model::{Input, Job, Step, expression, file};
use crate::pins::Pins;
use crate::steps::{BINARY, SELF_REPOSITORY, checkout, download, fetch, upload};
use crate::yaml::{Node, map};
use crate::{WorkflowError, cell};

/// File name.
pub const FILE: &str = "handoff.yml";

/// Artifact with the plan and the collected rows.
pub const RESULTS: &str = "handoff-results";

/// Inputs in the order of the form. `handoff plan --github` reads each from the variable `HANDOFF_INPUT_NAME`.
pub fn inputs() -> Vec<Input> {
    vec![
        Input::text("sizes", "Sizes of the image, separated by commas", "1GiB"),
        Input::text(
            "strategies",
            "Strategies and variants, separated by commas: all, or artifact,artifact:action=v4,rebuild",
            "all",
        ),
        Input::text("workload", "Workloads, separated by commas", "typical"),
        Input::text("rounds", "Number of rounds: each runs every cell once, in shuffled order", "3"),
        Input::text("consumers", "Number of consumer jobs of each trial", "1"),
        Input::text("runner", "Label of the runner, or several as a JSON list", "ubuntu-latest"),
        Input::choice("builder", "Builder", "docker-container", &["docker-container", "docker"]),
        Input::choice(
            "image_store",
            "Image store of the runner's engine: a job that finds another store fails",
            "overlay2",
            &["overlay2", "containerd"],
        ),
        Input::choice("cache_state", "Content of caches at the start", "cold", &["cold"]),
        Input::text("seed", "Seed of the order and of the image's content", "1"),
        Input::text("only", "Trials of the plan to run, separated by commas (empty: all)", ""),
        Input::text("plan_id", "Name of an earlier plan to continue (empty: a new one)", ""),
        Input::text("retention", "Retention of the results in days", "30"),
        Input::text("branch", "Branch for a commit of the results (empty: none)", ""),
    ]
}

/// Inputs as variables, which keeps them out of scripts.
pub fn environment(inputs: &[Input]) -> impl Iterator<Item = (String, String)> {
    let variable = |name: &str| format!("HANDOFF_INPUT_{}", name.to_uppercase());
    inputs.iter().map(move |i| (variable(i.name), expression(&format!("inputs.{}", i.name))))
}

/// Script that builds both programs, or copies the one of the variable `HANDOFF_BINARY` and, if it is there, the one beside it.
pub const BUILD: &str = r#"mkdir -p handoff-bin
if [ -n "${HANDOFF_BINARY:-}" ]; then
  cp "$HANDOFF_BINARY" handoff-bin/handoff
  relay=$(dirname "$HANDOFF_BINARY")/handoff-relay
  [ ! -e "$relay" ] || cp "$relay" handoff-bin/
else
  cargo build --release --locked -p handoff-cli -p handoff-relay
  cp target/release/handoff target/release/handoff-relay handoff-bin/
fi
"#;

fn plan(pins: &Pins) -> Result<Job, WorkflowError> {
    let output = |name: &str| expression(&format!("steps.plan.outputs.{name}"));
    let plan =
        "handoff-bin/handoff plan --github --out handoff-plan\ncat handoff-plan/plan.txt >> \"$GITHUB_STEP_SUMMARY\"\n";
    let plan = Step::run("Check the inputs and write the plan", plan).id("plan");
    Ok(Job::named("plan")
        .set("runs-on", "ubuntu-latest")
        .set("timeout-minutes", 30)
        .may(&[("contents", "read")])
        .set("outputs", map(["matrix", "retention"].map(|name| (name, output(name)))))
        .with_steps([
            checkout(pins)?,
            Step::run("Build handoff once", BUILD),
            environment(&inputs()).fold(plan, |step, (name, value)| step.env(&name, value)),
            upload(pins, "Keep handoff-bin", (BINARY, "handoff-bin"), output("retention"))?,
            upload(pins, "Keep handoff-plan", ("handoff-plan", "handoff-plan"), output("retention"))?,
        ]))
}

fn cells() -> Job {
    Job::named(&expression("matrix.cell.id"))
        .set("needs", "plan")
        .may(&[("contents", "read"), ("actions", "write")])
        .for_each("cell", expression("fromJSON(needs.plan.outputs.matrix)"))
        .set("uses", Node::Noted(format!("./.github/workflows/{}", cell::FILE), SELF_REPOSITORY.to_owned()))
        .set("with", map([("cell", expression("toJSON(matrix.cell)"))]))
}

fn report(pins: &Pins) -> Result<Job, WorkflowError> {
    // The folder does not exist if no job has left a file.
    let collect = "code=0\nmkdir -p handoff-marks\nhandoff collect --plan handoff-plan/plan.json --marks handoff-marks --out handoff-results || code=$?\necho \"code=$code\" >> \"$GITHUB_OUTPUT\"\n[ \"$code\" -le 1 ]\n";
    let render =
        "handoff report handoff-results\nhead -c 1000000 handoff-results/report.md >> \"$GITHUB_STEP_SUMMARY\"\n";
    let fail = "echo '::error::some trials failed: the report lists them'\nexit 1\n";
    let days = expression("needs.plan.outputs.retention");
    Ok(Job::named("report")
        .set("needs", Node::List(vec!["plan".into(), "cells".into()]))
        .set("if", "always() && needs.plan.result == 'success'")
        .set("runs-on", "ubuntu-latest")
        .set("timeout-minutes", 30)
        .may(&[("contents", "read"), ("actions", "read")])
        .with_steps(fetch(pins)?)
        .with_steps([
            download(pins, "Download the plan", ("name", "handoff-plan"), "handoff-plan")?,
            download(pins, "Download the marks of all jobs", ("pattern", "handoff-marks-*"), "handoff-marks")?,
            Step::run("Join the marks", collect).id("collect").env("GITHUB_TOKEN", expression("github.token")),
            Step::run("Render the report", render),
            upload(pins, "Keep rows and report", (RESULTS, "handoff-results"), days)?,
            Step::run("Fail if a trial failed", fail).when("steps.collect.outputs.code != '0'"),
        ]))
}

/// Job that commits the results to a branch, if one is named. Only its token may write.
fn commit(pins: &Pins) -> Result<Job, WorkflowError> {
    let folder = expression("format('results/github-{0}', github.run_id)");
    let script = r#"git check-ref-format --branch "$HANDOFF_INPUT_BRANCH"
git add results
git -c user.name=handoff -c user.email=handoff@users.noreply.github.com commit --quiet --message "Results of run $GITHUB_RUN_ID"
git push --quiet "https://x-access-token:$GITHUB_TOKEN@${GITHUB_SERVER_URL#https://}/$GITHUB_REPOSITORY.git" "HEAD:refs/heads/$HANDOFF_INPUT_BRANCH"
"#;
    Ok(Job::named("commit")
        .set("needs", Node::List(vec!["plan".into(), "report".into()]))
        .set("if", "always() && inputs.branch != '' && needs.plan.result == 'success'")
        .set("runs-on", "ubuntu-latest")
        .set("timeout-minutes", 10)
        .may(&[("contents", "write")])
        .with_steps([
            checkout(pins)?,
            download(pins, "Download the results", ("name", RESULTS), &folder)?,
            Step::run("Commit the results", script)
                .env("HANDOFF_INPUT_BRANCH", expression("inputs.branch"))
                .env("GITHUB_TOKEN", expression("github.token")),
        ]))
}

/// Text of the file.
///
/// # Errors
/// An action has no pin.
pub fn text(pins: &Pins) -> Result<String, WorkflowError> {
    Ok(file(vec![
        ("name", "handoff".into()),
        ("run-name", "handoff ${{ inputs.strategies }} at ${{ inputs.sizes }}".into()),
        ("on", Input::form(&inputs())),
        ("permissions", Node::Map(vec![])),
        // Concurrent runs would share the cache's quota.
        ("concurrency", map([("group", Node::from("handoff")), ("cancel-in-progress", false.into())])),
        (
            "jobs",
            map([
                ("plan", Node::from(plan(pins)?)),
                ("cells", cells().into()),
                ("report", report(pins)?.into()),
                ("commit", commit(pins)?.into()),
            ]),
        ),
    ]))
}
