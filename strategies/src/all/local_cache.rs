//! `local-cache`: the builder's cache as a folder in the cache, by the client of actions/cache.

use handoff_model::recipe::{BuiltAt, Derived, Step, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    Builder, CacheState, Conditions, Failure, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket,
};

use crate::buildx::{Build, CacheOptions, Layers, Output};
use crate::cache::{self, ActionOption, Found};
use crate::options::{facts_and_recipe, named, options};
use crate::{ImageLocation, Job, MoreBuilds, ProducerOutput, StepResult, Strategy, builder, buildx, steps};

/// Folder of the cache, relative to the job's folder and the same in both roles.
const FOLDER: &str = "buildx-cache";

options! {
    /// Strategy `local-cache`.
    pub struct LocalCache {
        /// compression of the cache's layers by BuildKit, where zstd-1 is zstd's fastest level; actions/cache compresses the folder
        /// again with zstd
        compression: Layers,
        /// number of pushes, each with another last layer and the folder of the push before; only the last is on the clock
        pushes: u32 [1..=10] = 1,
        /// export into a new folder that replaces the restored one (true), or into the restored folder, which keeps old layers (false)
        replaces as "move": bool = true,
        ..cache: CacheOptions,
        github ..action: ActionOption,
    }
}

/// Attributes of the exporter for the compression of layers.
const COMPRESSION_PLACE: Derived = Derived {
    place: "compression-attributes",
    shows: "compression",
    text: |compression| match named(compression).map_or("", Layers::attribute) {
        // The exporter's default.
        "" => String::new(),
        // Without force, layers that the image has in another compression would keep it.
        other => format!("{other},force-compression=true"),
    },
};

const FACTS: StrategyFacts = StrategyFacts {
    name: "local-cache",
    summary: "build with cache-to type=local, save the folder in the cache, restore it, build again from it, loaded",
    storage: Storage::Cache,
    transfer: Some(cache::TRANSFER),
    moves_image: false,
    has_producer: true,
    ours: false,
    colour: look::PURPLE,
    marker: Marker::Diamond,
    options: LocalCache::OPTIONS,
};

impl Strategy for LocalCache {
    facts_and_recipe!();

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        if self.pushes > 1 && conditions.cache_state != CacheState::Cold {
            return Some("pushes: earlier pushes already fill the cache: use --cache-state cold".to_owned());
        }
        buildx::refuses_cache_export(conditions)
    }

    fn more_builds(&self) -> MoreBuilds {
        MoreBuilds { earlier_pushes: self.pushes - 1, ..MoreBuilds::default() }
    }

    fn builder(&self) -> Option<Builder> {
        self.cache.build.named()
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        // A cache hit of this commit skips the build, as `if: steps.cache.outputs.cache-hit` does. The client would not save
        // under an existing key.
        let from = match cache::restore_earlier(job, FOLDER, true)? {
            Found::ThisCommit => {
                return Ok(ProducerOutput { ticket: cache::ticket(job), built: ImageLocation::WarmUp });
            }
            Found::AnotherCommit if self.replaces => Some(put_aside(job)?),
            // The build reads and writes the same folder.
            Found::AnotherCommit => Some(job.fill(self, CACHE_FROM)),
            Found::Nothing => None,
        };
        let to = job.fill(self, CACHE_TO);
        let (output, built) = self.cache.output();
        Build { cache_to: Some(&to), cache_from: from.as_deref(), ..Build::plain("build", output) }.run(job)?;
        cache::save(job, FOLDER)?;
        Ok(ProducerOutput { ticket: cache::ticket(job), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        cache::restore(job, ticket, FOLDER)?;
        let from = job.fill(self, CACHE_FROM);
        Build { cache_from: Some(&from), ..Build::plain("build", Output::Load) }.run_cached(job)
    }

    fn built_at(&self) -> BuiltAt {
        BuiltAt::BuilderCache
    }
}

/// Renames a restored cache folder and returns its `--cache-from`. An export into the restored folder would keep unused
/// layers, so that the entry would grow from run to run.
fn put_aside(job: &Job) -> StepResult<String> {
    let (folder, aside) = (job.scratch.join(FOLDER), job.scratch.join("buildx-cache-before"));
    std::fs::rename(&folder, &aside)
        .map_err(|e| Failure::new(SpanKind::Prepare.as_str(), format!("rename {}: {e}", folder.display())))?;
    Ok(format!("type=local,src={}", aside.display()))
}

/// `--cache-to` of the producer's build, here and on GitHub.
const CACHE_TO: &str = "type=local,dest={dir}/buildx-cache,mode={mode}{compression-attributes}";
/// `--cache-from` of the consumer's build.
const CACHE_FROM: &str = "type=local,src={dir}/buildx-cache";

const SAVE: &[(&str, &str)] = &[("path", "{dir}/buildx-cache"), ("key", "{name}")];
const RESTORE: &[(&str, &str)] = &[("path", "{dir}/buildx-cache"), ("key", "{name}"), ("fail-on-cache-miss", "true")];

const BUILDS: [Step; 2] = buildx::cache_builds(CACHE_TO);
const SAVES: [Step; 2] = cache::saves(SAVE);
const RESTORES: [Step; 2] = cache::restores(RESTORE);

const ONE_PUSH: Unsupported = Unsupported::option("pushes", "the workflow has one push");
const NO_MOVE: Unsupported = Unsupported::option("move", "the workflow has one push, which finds no earlier folder");

const RECIPE: Recipe = Recipe {
    options: ActionOption::OPTIONS,
    not_in_a_cell: &[ONE_PUSH, NO_MOVE, builder::NOT_IN_A_CELL],
    of_the_machine: &[builder::OF_THE_MACHINE],
    not_in_a_workflow: &[ONE_PUSH, NO_MOVE],
    derived: &[COMPRESSION_PLACE],
    producer: &[cache::combined(SAVE), BUILDS[0], BUILDS[1], SAVES[0], SAVES[1]],
    consumer: &[cache::combined(RESTORE), RESTORES[0], RESTORES[1], steps::build(None, None, Some(CACHE_FROM))],
    consumer_is_cached: true,
    ..Recipe::EMPTY
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_compression_than_the_default_is_forced() {
        assert_eq!((COMPRESSION_PLACE.text)("gzip"), "");
        assert_eq!((COMPRESSION_PLACE.text)("zstd"), ",compression=zstd,force-compression=true");
    }

    #[test]
    fn pushes_with_a_warm_cache_are_refused() {
        let named = |text: &str| crate::find(&text.parse().unwrap()).unwrap();
        let pushes = |text| named(text).more_builds().earlier_pushes;
        assert_eq!((pushes("local-cache"), pushes("local-cache:pushes=5,move=false")), (0, 4));
        let warm = Conditions { cache_state: CacheState::Warm, ..Conditions::default() };
        let refused = named("local-cache:pushes=5").refuses(&warm).unwrap();
        assert!(refused.contains("--cache-state cold"), "{refused}");
        assert_eq!(named("local-cache:move=false").refuses(&warm), None);
    }
}
