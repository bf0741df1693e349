//! `rebuild`: the baseline. Nothing is shared, each job builds for itself.

use handoff_model::{Failure, Storage, StrategyFacts, Ticket};

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
}
