//! `gha-cache`: the builder's own cache goes to the cache service, and the consumer builds again from it.

use handoff_model::recipe::{BuiltAt, Does, Step};
use handoff_model::{Conditions, Recipe, SpanKind, Storage, StrategyFacts, StrategySpec, Ticket};

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
        let to = job.fill(&FACTS, CACHE_TO);
        Build { cache_to: Some(&to), ..Build::plain("build", Output::CacheOnly) }.run(job)?;
        job.recorder.fact(CLIENT, "BuildKit");
        Ok(Handed { ticket: Ticket::default().with("scope", job.name), built: Built::BuilderCache })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("scope").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        let from = job.fill(&FACTS, CACHE_FROM);
        Build { cache_from: Some(&from), ..Build::plain("build", Output::Load) }.run_cached(job)
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

/// What the producer's build is told, here and on GitHub.
const CACHE_TO: &str = "type=gha,scope={name},mode={mode}";
/// What the consumer's build is told.
const CACHE_FROM: &str = "type=gha,scope={name}";

const RECIPE: Recipe = Recipe {
    options: &[],
    not_here: &[],
    producer: &[Step::always(
        SpanKind::Command,
        "build-push-action",
        Does::Build { outputs: Some("type=cacheonly"), cache_to: Some(CACHE_TO), cache_from: None },
    )],
    consumer: &[Step::always(
        SpanKind::Command,
        "build-push-action",
        Does::Build { outputs: None, cache_to: None, cache_from: Some(CACHE_FROM) },
    )],
    settle: Recipe::as_given,
    built: BuiltAt::BuilderCache,
    consumer_is_cached: true,
};
