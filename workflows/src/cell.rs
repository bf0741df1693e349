//! `handoff-cell.yml`: one trial, as a producer job and its consumer jobs on runners of their own.

use handoff_model::Recipe;

use crate::model::{Job, Step, file};
use crate::pins::Pins;
use crate::steps::{CELL, builder, fetch, of_recipe, own_actions};
use crate::yaml::{Node, map};
use crate::{Named, WorkflowError};

/// The file's name.
pub const FILE: &str = "handoff-cell.yml";

fn expression(text: &str) -> String {
    format!("${{{{ {text} }}}}")
}

fn job(name: &str, needs: Option<&str>, condition: &str) -> Job {
    let mut job = Job::named(name);
    if let Some(needs) = needs {
        job = job.set("needs", needs);
    }
    // A cell that fails is a row: the report says so, and the last job fails, not the matrix.
    job.set("if", condition)
        .set("continue-on-error", true)
        .set("runs-on", expression(&format!("{CELL}.runner")))
        .set("timeout-minutes", expression(&format!("{CELL}.timeout_minutes")))
        .may(&[("contents", "read")])
        .set(
            "env",
            map([
                // Either would move bytes that are no part of the strategy.
                ("DOCKER_BUILD_SUMMARY", Node::from("false")),
                ("DOCKER_BUILD_RECORD_UPLOAD", Node::from("false")),
                ("HANDOFF_CELL", expression("inputs.cell").into()),
            ]),
        )
}

/// Looks at the image and keeps what was measured, also of a job that failed.
fn finish(job: &mut Job, pins: &Pins, side: &str) -> Result<(), WorkflowError> {
    job.push(
        Step::run("Look at the image, off the clock", "handoff github finish")
            .when("always()")
            .env("HANDOFF_JOB_STATUS", expression("job.status")),
    );
    job.push(
        Step::uses("Keep the marks", pins.uses("actions/upload-artifact")?)
            .when("always()")
            .with("name", format!("handoff-side-{}-{side}", expression(&format!("{CELL}.id"))))
            .with("path", "handoff-side")
            .with("retention-days", expression(&format!("{CELL}.retention_days"))),
    );
    Ok(())
}

/// The file's text.
pub fn text(pins: &Pins, strategies: &[Named]) -> Result<String, WorkflowError> {
    let mut producer = job("producer", None, &format!("{CELL}.produces"))
        .set("outputs", map([("produced", expression("steps.stop.outputs.produced"))]));
    let mut consumer = job(
        &format!("consumer {}", expression("matrix.consumer")),
        Some("producer"),
        &format!("!cancelled() && (needs.producer.outputs.produced == 'true' || !{CELL}.produces)"),
    )
    .set(
        "strategy",
        map([
            ("fail-fast", Node::from(false)),
            ("matrix", map([("consumer", expression(&format!("{CELL}.consumers")))])),
        ]),
    );
    for (job, side) in [(&mut producer, "producer"), (&mut consumer, "consumer")] {
        fetch(pins)?.into_iter().for_each(|s| job.push(s));
        let steps: fn(&Recipe) -> &'static [handoff_model::recipe::Step] =
            if side == "producer" { |r| r.producer } else { |r| r.consumer };
        own_actions(pins, strategies, steps)?.into_iter().for_each(|s| job.push(s));
        let begin = Step::run("Write the sources, then start the clock", &format!("handoff github begin {side}"));
        job.push(if side == "consumer" { begin.env("HANDOFF_CONSUMER", expression("matrix.consumer")) } else { begin });
        builder(pins, strategies, steps)?.into_iter().for_each(|s| job.push(s));
        for strategy in strategies {
            of_recipe(pins, strategy, steps(strategy.recipe))?.into_iter().for_each(|s| job.push(s));
        }
    }
    producer.push(
        Step::run("Stop the clock", "handoff mark stop\necho 'produced=true' >> \"$GITHUB_OUTPUT\"\n").id("stop"),
    );
    finish(&mut producer, pins, "producer")?;
    consumer.push(Step::run("The first container answers: stop the clock", "handoff github answer"));
    finish(&mut consumer, pins, &expression("matrix.consumer"))?;

    let mut clean = Job::named("clean up")
        .set("needs", Node::List(vec!["producer".into(), "consumer".into()]))
        .set("if", format!("always() && {CELL}.stores"))
        .set("runs-on", expression(&format!("{CELL}.runner")))
        .set("timeout-minutes", 10)
        .set("continue-on-error", true)
        .may(&[("contents", "read"), ("actions", "write")]);
    fetch(pins)?.into_iter().for_each(|s| clean.push(s));
    clean.push(
        Step::uses("Fetch what the producer told", pins.uses("actions/download-artifact")?)
            .with("pattern", format!("handoff-side-{}-producer", expression(&format!("{CELL}.id"))))
            .with("path", "handoff-sides"),
    );
    clean.push(
        Step::run("Remove what the cell has stored", "handoff github clean handoff-sides")
            .env("HANDOFF_CELL", expression("inputs.cell"))
            .env("GITHUB_TOKEN", expression("github.token")),
    );
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
