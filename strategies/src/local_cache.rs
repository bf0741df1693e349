//! `local-cache`: the builder's cache as a folder, moved through the cache by the client of actions/cache.

use handoff_model::recipe::{ACTION_OPTION, BuiltAt, Does, Step};
use handoff_model::{Conditions, Recipe, SpanKind, Storage, StrategyFacts, StrategySpec, Ticket};

use crate::buildx::{Build, Output};
use crate::recorder::CLIENT;
use crate::{Built, Handed, Job, StepResult, Strategy, buildx, clients};

/// The strategy.
pub struct LocalCache;

/// The folder's name, relative to the job's folder and alike on both sides.
const FOLDER: &str = "buildx-cache";

const FACTS: StrategyFacts = StrategyFacts {
    name: "local-cache",
    summary: "build with cache-to type=local, save the folder in the cache, restore it, build again from it, loaded",
    storage: Storage::Cache,
    moves_image: false,
    has_producer: true,
    options: &[buildx::MODE_OPTION],
};

impl Strategy for LocalCache {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, _spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        buildx::refuses_cache_export(conditions)
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let to = job.fill(&FACTS, CACHE_TO);
        Build { cache_to: Some(&to), ..Build::plain("build", Output::CacheOnly) }.run(job)?;
        let args = ["save", "--path", FOLDER, "--key", job.name];
        let report = clients::node(job, "cache.mjs", &args, SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        Ok(Handed { ticket: Ticket::default().with("key", job.name), built: Built::BuilderCache })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let key = ticket.get("key").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        clients::node(job, "cache.mjs", &["restore", "--path", FOLDER, "--key", key], SpanKind::Download)?;
        let from = job.fill(&FACTS, CACHE_FROM);
        Build { cache_from: Some(&from), ..Build::plain("build", Output::Load) }.run_cached(job)
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

/// What the producer's build is told, here and on GitHub.
const CACHE_TO: &str = "type=local,dest={dir}/buildx-cache,mode={mode}";
/// What the consumer's build is told.
const CACHE_FROM: &str = "type=local,src={dir}/buildx-cache";

const SAVE: &[(&str, &str)] = &[("path", "{dir}/buildx-cache"), ("key", "{name}")];
const RESTORE: &[(&str, &str)] = &[("path", "{dir}/buildx-cache"), ("key", "{name}"), ("fail-on-cache-miss", "true")];

const RECIPE: Recipe = Recipe {
    options: &[ACTION_OPTION],
    not_here: &[],
    producer: &[
        Step::always(
            SpanKind::Command,
            "build-push-action",
            Does::Build { outputs: Some("type=cacheonly"), cache_to: Some(CACHE_TO), cache_from: None },
        ),
        Step::always(SpanKind::Upload, "cache/save", Does::Uses("actions/cache/save", SAVE))
            .when(&[("action", "latest")]),
        Step::always(SpanKind::Upload, "cache/save v4", Does::Uses("actions/cache/save@v4", SAVE))
            .when(&[("action", "v4")]),
    ],
    consumer: &[
        Step::always(SpanKind::Download, "cache/restore", Does::Uses("actions/cache/restore", RESTORE))
            .when(&[("action", "latest")]),
        Step::always(SpanKind::Download, "cache/restore v4", Does::Uses("actions/cache/restore@v4", RESTORE))
            .when(&[("action", "v4")]),
        Step::always(
            SpanKind::Command,
            "build-push-action",
            Does::Build { outputs: None, cache_to: None, cache_from: Some(CACHE_FROM) },
        ),
    ],
    settle: Recipe::as_given,
    built: BuiltAt::BuilderCache,
    consumer_is_cached: true,
};
