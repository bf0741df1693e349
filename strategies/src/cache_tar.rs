//! `cache-tar`: a docker tar through the cache, by the client of actions/cache.

use handoff_model::recipe::{self, CACHE_ACTION_OPTION, Step};
use handoff_model::strategy::look;
use handoff_model::{Conditions, Marker, Recipe, Storage, StrategyFacts, StrategySpec, Ticket};

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
    ours: false,
    colour: look::ORANGE,
    marker: Marker::Square,
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

const SAVE: &[(&str, &str)] = &[("path", "{dir}/{tar}"), ("key", "{name}")];
const RESTORE: &[(&str, &str)] = &[("path", "{dir}/{tar}"), ("key", "{name}"), ("fail-on-cache-miss", "true")];

const RESTORES: [Step; 2] = cache::restores(RESTORE);
const MAKES_AND_SAVES: [Step; 9] = recipe::joined(tar::MAKE, cache::saves(SAVE));
const PRODUCER: [Step; 10] = recipe::joined([cache::combined(SAVE)], MAKES_AND_SAVES);

const RECIPE: Recipe = Recipe {
    options: &[CACHE_ACTION_OPTION],
    not_in_a_cell: &[],
    not_in_a_workflow: &[],
    of_the_machine: &[],
    derived: tar::PLACES,
    producer: &PRODUCER,
    consumer: &[cache::combined(RESTORE), RESTORES[0], RESTORES[1], tar::LOAD],
    settle: tar::settle_source,
    built: tar::built,
    consumer_is_cached: false,
};
