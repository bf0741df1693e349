//! `cache-tar`: a docker tar through the cache, by the client of actions/cache.

use handoff_model::recipe::{BuiltAt, CACHE_ACTION_OPTION, Step};
use handoff_model::{Conditions, Recipe, Storage, StrategyFacts, StrategySpec, Ticket};

use crate::cache::{self, Found};
use crate::{Built, Handed, Job, StepResult, Strategy, tar};

/// The strategy.
pub struct CacheTar;

const FACTS: StrategyFacts = StrategyFacts {
    name: "cache-tar",
    summary: "build to a docker tar, save it in the cache, restore it, docker load",
    storage: Storage::Cache,
    moves_image: true,
    has_producer: true,
    options: &[tar::COMPRESS_OPTION, tar::SOURCE_OPTION, tar::LAYERS_OPTION],
};

impl Strategy for CacheTar {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        tar::Source::named(&FACTS, spec, conditions).err()
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let compress = job.option(&FACTS, "compress");
        let file = tar::file_name(&compress);
        // As `if: steps.cache.outputs.cache-hit` does: the tar of this very commit is all that consumers need.
        if cache::look(job, file, false)? == Found::ThisCommit {
            return Ok(Handed { ticket: cache::ticket(job), built: Built::Earlier });
        }
        let (_, built) = tar::build(job, &FACTS, &compress)?;
        // Whatever the file is, the client puts it through zstd once more.
        cache::save(job, file)?;
        Ok(Handed { ticket: cache::ticket(job), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let file = tar::file_name(&job.option(&FACTS, "compress"));
        cache::restore(job, ticket, file)?;
        tar::load(job, &job.scratch.join(file))
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

const SAVE: &[(&str, &str)] = &[("path", "{dir}/image.tar"), ("key", "{name}")];
const RESTORE: &[(&str, &str)] = &[("path", "{dir}/image.tar"), ("key", "{name}"), ("fail-on-cache-miss", "true")];

const SAVES: [Step; 2] = cache::saves(SAVE);
const RESTORES: [Step; 2] = cache::restores(RESTORE);

const RECIPE: Recipe = Recipe {
    options: &[CACHE_ACTION_OPTION],
    not_here: &[("compress", tar::NO_STEPS), ("layers", tar::NO_STEPS)],
    producer: &[cache::combined(SAVE), tar::BUILD_OUTPUT, tar::BUILD_LOAD, tar::SAVE, SAVES[0], SAVES[1]],
    consumer: &[cache::combined(RESTORE), RESTORES[0], RESTORES[1], tar::LOAD],
    settle: tar::settle_source,
    built: BuiltAt::Tar(tar::TAR),
    consumer_is_cached: false,
};
