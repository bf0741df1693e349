//! `cache-tar`: a docker tar through the cache, by the client of actions/cache.

use handoff_model::{SpanKind, Storage, StrategyFacts, Ticket};

use crate::recorder::CLIENT;
use crate::{Built, Handed, Job, StepResult, Strategy, clients, tar};

/// The strategy.
pub struct CacheTar;

const FACTS: StrategyFacts = StrategyFacts {
    name: "cache-tar",
    summary: "build to a docker tar, save it in the cache, restore it, docker load",
    storage: Storage::Cache,
    moves_image: true,
    has_producer: true,
    options: &[tar::SOURCE_OPTION],
};

impl Strategy for CacheTar {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let path = tar::build(job, &job.option(&FACTS, "source"))?;
        // The path is relative: the client makes the entry's version from the text, and both sides must say the same.
        let args = ["save", "--path", tar::TAR, "--key", job.name];
        let report = clients::node(job, "cache.mjs", &args, SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        Ok(Handed { ticket: Ticket::default().with("key", job.name), built: Built::Tar(path) })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let key = ticket.get("key").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        clients::node(job, "cache.mjs", &["restore", "--path", tar::TAR, "--key", key], SpanKind::Download)?;
        tar::load(job, &job.scratch.join(tar::TAR))
    }
}
