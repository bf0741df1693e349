//! `local-cache`: the builder's cache as a folder, moved through the cache by the client of actions/cache.

use handoff_model::{Conditions, SpanKind, Storage, StrategyFacts, StrategySpec, Ticket};

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
        let folder = job.scratch.join(FOLDER);
        let to = format!("type=local,dest={},mode={}", folder.display(), job.option(&FACTS, "mode"));
        Build { cache_to: Some(&to), ..Build::plain("build", Output::CacheOnly) }.run(job)?;
        let args = ["save", "--path", FOLDER, "--key", job.name];
        let report = clients::node(job, "cache.mjs", &args, SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        Ok(Handed { ticket: Ticket::default().with("key", job.name), built: Built::BuilderCache })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let key = ticket.get("key").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        clients::node(job, "cache.mjs", &["restore", "--path", FOLDER, "--key", key], SpanKind::Download)?;
        let from = format!("type=local,src={}", job.scratch.join(FOLDER).display());
        Build { cache_from: Some(&from), ..Build::plain("build", Output::Load) }.run_cached(job)
    }
}
