//! `cache-tar`: docker tar in the cache, by the client of actions/cache.

use handoff_model::recipe::{BuiltAt, Step, joined};
use handoff_model::strategy::look;
use handoff_model::{Builder, Conditions, Marker, Recipe, Storage, StrategyFacts, Ticket};

use crate::cache::{self, ActionOption, Found};
use crate::options::{facts_and_recipe, options};
use crate::tar::{self, TarOptions};
use crate::{ImageLocation, Job, ProducerOutput, Source, StepResult, Strategy, builder};

options! {
    /// Strategy `cache-tar`.
    pub struct CacheTar {
        ..tar: TarOptions,
        github ..action: ActionOption,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "cache-tar",
    summary: "build to a docker tar, save it in the cache, restore it, docker load",
    storage: Storage::Cache,
    transfer: Some(cache::TRANSFER),
    moves_image: true,
    has_producer: true,
    ours: false,
    colour: look::ORANGE,
    marker: Marker::Square,
    options: CacheTar::OPTIONS,
};

impl Strategy for CacheTar {
    facts_and_recipe!();

    fn source(&mut self) -> Option<&mut Source> {
        Some(&mut self.tar.source)
    }

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        self.tar.writer(conditions).err()
    }

    fn builder(&self) -> Option<Builder> {
        self.tar.exporter.build.named()
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let file = tar::file_name(self.tar.compress);
        // A cache hit of this commit skips the build, as `if: steps.cache.outputs.cache-hit` does.
        if cache::restore_earlier(job, file, false)? == Found::ThisCommit {
            return Ok(ProducerOutput { ticket: cache::ticket(job), built: ImageLocation::WarmUp });
        }
        let (_, built) = tar::build(job, &self.tar)?;
        // The client compresses every file by zstd, also a compressed one.
        cache::save(job, file)?;
        Ok(ProducerOutput { ticket: cache::ticket(job), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let file = tar::file_name(self.tar.compress);
        cache::restore(job, ticket, file)?;
        tar::load(job, &job.scratch.join(file))
    }

    fn built_at(&self) -> BuiltAt {
        self.tar.built_at()
    }
}

const SAVE: &[(&str, &str)] = &[("path", "{dir}/{tar}"), ("key", "{name}")];
const RESTORE: &[(&str, &str)] = &[("path", "{dir}/{tar}"), ("key", "{name}"), ("fail-on-cache-miss", "true")];

const RESTORES: [Step; 2] = cache::restores(RESTORE);
const PRODUCER: [Step; 10] = joined(&[&[cache::combined(SAVE)], &tar::MAKE, &cache::saves(SAVE)]);

const RECIPE: Recipe = Recipe {
    options: ActionOption::OPTIONS,
    not_in_a_cell: &[builder::NOT_IN_A_CELL],
    of_the_machine: &[builder::OF_THE_MACHINE],
    derived: tar::PLACES,
    producer: &PRODUCER,
    consumer: &[cache::combined(RESTORE), RESTORES[0], RESTORES[1], tar::LOAD],
    ..Recipe::EMPTY
};
