//! `handoff-cell.yml`: one trial, as a producer job and its consumer jobs on separate runners.

use handoff_model::Recipe;

use crate::digest;
use crate::model::{Job, Step, expression, file};
use crate::pins::Pins;
use crate::steps::{CELL, NO_BUILD_RECORDS, PRODUCER, builder, download, fetch, of_recipe, repository_actions, upload};
use crate::yaml::{Node, map};
use crate::{Named, WorkflowError};

/// File name.
pub const FILE: &str = "handoff-cell.yml";

fn job(name: &str, needs: Option<&str>, condition: &str) -> Job {
    let (mut job, cell) = (Job::named(name), expression("inputs.cell"));
    if let Some(needs) = needs {
        job = job.set("needs", needs);
    }
    // A failed cell becomes a row and fails the last job, not the matrix.
    job.set("if", condition)
        .set("continue-on-error", true)
        .set("runs-on", expression(&format!("{CELL}.runner")))
        .set("timeout-minutes", expression(&format!("{CELL}.timeout_minutes")))
        .may(&[("contents", "read")])
        .set("env", map(NO_BUILD_RECORDS.into_iter().chain([("HANDOFF_CELL", cell.as_str())])))
}

/// Last steps of a job, also of a failed one: identify the image and keep the results.
fn finish(pins: &Pins, role: &str) -> Result<[Step; 2], WorkflowError> {
    let name = format!("handoff-marks-{}-{role}", expression(&format!("{CELL}.id")));
    let days = expression(&format!("{CELL}.retention_days"));
    Ok([
        Step::run("Identify the image, off the clock", "handoff github finish")
            .when("always()")
            .env("HANDOFF_JOB_STATUS", expression("job.status")),
        upload(pins, "Keep the marks", (&name, "handoff-marks"), days)?.when("always()"),
    ])
}

/// Text of the file.
///
/// # Errors
/// An action has no pin.
pub fn text(pins: &Pins, strategies: &[Named]) -> Result<String, WorkflowError> {
    let produced = ("produced", expression("steps.stop.outputs.produced"));
    let outputs = [produced].into_iter().chain(digest::output(&digest::senders(strategies)));
    let mut producer = job(PRODUCER, None, &format!("{CELL}.produces")).set("outputs", map(outputs));
    let mut consumer = job(
        &format!("consumer {}", expression("matrix.consumer")),
        Some(PRODUCER),
        &format!("!cancelled() && (needs.producer.outputs.produced == 'true' || !{CELL}.produces)"),
    )
    .for_each("consumer", expression(&format!("{CELL}.consumers")));
    for (job, role) in [(&mut producer, "producer"), (&mut consumer, "consumer")] {
        job.steps.extend(fetch(pins)?);
        let steps: fn(&Recipe) -> &'static [handoff_model::recipe::Step] =
            if role == "producer" { |r| r.producer } else { |r| r.consumer };
        job.steps.extend(repository_actions(pins, strategies, steps)?);
        let begin = Step::run("Write the sources, then start the clock", &format!("handoff github begin {role}"));
        let is_consumer = role == "consumer";
        job.steps.push(if is_consumer { begin.env("HANDOFF_CONSUMER", expression("matrix.consumer")) } else { begin });
        job.steps.extend(builder(pins, strategies, steps)?);
        for strategy in strategies {
            job.steps.extend(of_recipe(pins, strategy, steps(strategy.recipe))?);
        }
    }
    let stop =
        Step::run("Stop the clock", "handoff mark stop\necho 'produced=true' >> \"$GITHUB_OUTPUT\"\n").id("stop");
    let producer = producer.with_steps([stop]).with_steps(finish(pins, "producer")?);
    let answer = Step::run("Start the first container, then stop the clock", "handoff github answer");
    let consumer = consumer.with_steps([answer]).with_steps(finish(pins, &expression("matrix.consumer"))?);

    let marks = format!("handoff-marks-{}-producer", expression(&format!("{CELL}.id")));
    let clean = Job::named("clean up")
        .set("needs", Node::List(vec!["producer".into(), "consumer".into()]))
        .set("if", format!("always() && {CELL}.stores"))
        .set("runs-on", expression(&format!("{CELL}.runner")))
        .set("timeout-minutes", 10)
        .set("continue-on-error", true)
        .may(&[("contents", "read"), ("actions", "write")])
        .with_steps(fetch(pins)?)
        .with_steps([
            download(pins, "Download the producer's marks", ("pattern", &marks), "handoff-marks")?,
            Step::run("Remove the cell's artifacts and cache entries", "handoff github clean handoff-marks")
                .env("HANDOFF_CELL", expression("inputs.cell"))
                .env("GITHUB_TOKEN", expression("github.token")),
        ]);
    let input = map([
        ("description", Node::from("A cell of the matrix that `handoff plan --github` prints, as JSON")),
        ("type", "string".into()),
        ("required", true.into()),
    ]);
    Ok(file(vec![
        ("name", "handoff cell".into()),
        ("on", map([("workflow_call", map([("inputs", map([("cell", input)]))]))])),
        ("permissions", Node::Map(vec![])),
        ("jobs", map([("producer", Node::from(producer)), ("consumer", consumer.into()), ("clean", clean.into())])),
    ]))
}
