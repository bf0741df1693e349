//! `rebuild`: the baseline, in which every job builds the image.

use handoff_model::recipe::BuiltAt;
use handoff_model::strategy::look;
use handoff_model::{Builder, Failure, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket};

use crate::builder::BuilderOption;
use crate::buildx::{Build, Output};
use crate::options::{facts_and_recipe, options};
use crate::{Job, ProducerOutput, StepResult, Strategy, builder, steps};

options! {
    /// Strategy `rebuild`.
    pub struct Rebuild {
        ..build: BuilderOption,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "rebuild",
    summary: "no hand-over: every job builds the image from the same sources, cold (the baseline)",
    storage: Storage::None,
    transfer: None,
    moves_image: false,
    has_producer: false,
    ours: false,
    colour: look::BLACK,
    marker: Marker::Cross,
    options: Rebuild::OPTIONS,
};

impl Strategy for Rebuild {
    facts_and_recipe!();

    fn builder(&self) -> Option<Builder> {
        self.build.named()
    }

    fn produce(&self, _job: &Job) -> StepResult<ProducerOutput> {
        Err(Failure::new("build", "rebuild has no producer"))
    }

    fn consume(&self, job: &Job, _ticket: &Ticket) -> StepResult<()> {
        Build::plain("build", Output::Load).run(job).map(|_| ())
    }

    fn built_at(&self) -> BuiltAt {
        BuiltAt::Nowhere
    }
}

const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[builder::NOT_IN_A_CELL],
    of_the_machine: &[builder::OF_THE_MACHINE],
    consumer: &[steps::run(
        SpanKind::Command,
        "buildx build",
        &[&["docker", "buildx", "build", "--load", "--tag", "{image}", "{sources}"]],
    )],
    ..Recipe::EMPTY
};
