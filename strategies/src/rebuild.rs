//! `rebuild`: the baseline. Nothing is shared, each job builds for itself.

use handoff_model::recipe::{BuiltAt, Does, Step};
use handoff_model::strategy::look;
use handoff_model::{Failure, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket};

use crate::buildx::{Build, Output};
use crate::{Handed, Job, StepResult, Strategy};

/// The strategy.
pub struct Rebuild;

const FACTS: StrategyFacts = StrategyFacts {
    name: "rebuild",
    summary: "no hand-over: every job builds the image from the same sources, cold (the baseline)",
    storage: Storage::None,
    moves_image: false,
    has_producer: false,
    ours: false,
    colour: look::BLACK,
    marker: Marker::Cross,
    options: &[],
};

impl Strategy for Rebuild {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn produce(&self, _job: &Job) -> StepResult<Handed> {
        Err(Failure::new("build", "rebuild has no producer"))
    }

    fn consume(&self, job: &Job, _ticket: &Ticket) -> StepResult<()> {
        Build::plain("build", Output::Load).run(job).map(|_| ())
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

const RECIPE: Recipe = Recipe {
    options: &[],
    not_in_a_cell: &[],
    not_in_a_workflow: &[],
    of_the_machine: &[],
    derived: &[],
    producer: &[],
    consumer: &[Step::always(
        SpanKind::Command,
        "buildx build",
        Does::Run(&[&["docker", "buildx", "build", "--load", "--tag", "{image}", "{sources}"]]),
    )],
    settle: Recipe::as_given,
    built: |_| BuiltAt::Nowhere,
    consumer_is_cached: false,
};
