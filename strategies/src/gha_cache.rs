//! `gha-cache`: the builder's own cache goes to the cache service, and the consumer builds again from it.

use handoff_model::{Conditions, Storage, StrategyFacts, StrategySpec, Ticket};

use crate::buildx::{Build, Output};
use crate::recorder::CLIENT;
use crate::{Built, Handed, Job, StepResult, Strategy, buildx};

/// The strategy.
pub struct GhaCache;

const FACTS: StrategyFacts = StrategyFacts {
    name: "gha-cache",
    summary: "build with cache-to type=gha, build again with cache-from type=gha, loaded",
    storage: Storage::Cache,
    moves_image: false,
    has_producer: true,
    options: &[buildx::MODE_OPTION],
};

impl Strategy for GhaCache {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, _spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        buildx::refuses_cache_export(conditions)
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let to = format!("type=gha,scope={},mode={}", job.name, job.option(&FACTS, "mode"));
        Build { cache_to: Some(&to), ..Build::plain("build", Output::CacheOnly) }.run(job)?;
        job.recorder.fact(CLIENT, "BuildKit");
        Ok(Handed { ticket: Ticket::default().with("scope", job.name), built: Built::BuilderCache })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let scope = ticket.get("scope").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        let from = format!("type=gha,scope={scope}");
        Build { cache_from: Some(&from), ..Build::plain("build", Output::Load) }.run_cached(job)
    }
}
