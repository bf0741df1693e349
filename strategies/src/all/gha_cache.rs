//! `gha-cache`: the builder's own cache goes to the cache service, and the consumer builds again from it.

use handoff_model::recipe::{BuiltAt, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{CacheState, Conditions, Flow, Marker, Recipe, Storage, StrategyFacts, Ticket, Transfer};

use crate::buildx::{Build, CacheOptions, Output};
use crate::options::{facts_and_recipe, options, words};
use crate::recorder::CLIENT;
use crate::{ImageLocation, Job, MoreBuilds, ProducerOutput, StepResult, Strategy, buildx, steps};

words! {
    /// There to say what there is not: `BuildKit`'s exporter for this cache reads no such attribute and would pass over it in
    /// silence.
    pub enum Compression {
        Gzip = "gzip",
    }
}

words! {
    /// Scope of the cache of each of several images.
    pub enum Scope {
        Own = "own",
        Shared = "shared",
    }
}

options! {
    /// The strategy.
    pub struct GhaCache {
        /// how layers are compressed: BuildKit's type=gha exporter knows nothing else (local-cache does)
        compression: Compression,
        /// how many images the producer builds and exports, one after the other, other in every layer; the consumer needs the first
        images: u32 [1..=2] = 1,
        /// the scope of each image's cache: one of its own (own), or the first one's for all (shared)
        scope: Scope,
        ..cache: CacheOptions,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "gha-cache",
    summary: "build with cache-to type=gha, build again with cache-from type=gha, loaded",
    storage: Storage::Cache,
    // One block of 1 MiB after the other goes up; layers come back side by side.
    transfer: Some(Transfer {
        up: Flow { connections: 1, block_bytes: Some(1 << 20), calls: 3 },
        down: Flow { connections: 4, block_bytes: None, calls: 1 },
        by_layer: true,
        plain_on_overlay2: false,
    }),
    moves_image: false,
    has_producer: true,
    ours: false,
    colour: look::GREEN,
    marker: Marker::Triangle,
    options: GhaCache::OPTIONS,
};

impl Strategy for GhaCache {
    facts_and_recipe!();

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        let several = self.images > 1;
        if !several && self.scope != Scope::DEFAULT {
            return Some(
                "scope=shared: one image shares its scope with no other: add images=2, or leave scope out".to_owned(),
            );
        }
        if several && conditions.cache_state != CacheState::Cold {
            return Some("images=2: earlier runs of two images are not played: use --cache-state cold".to_owned());
        }
        if several && self.cache.producer_load {
            return Some("images=2: only caches are exported: leave producer-load out".to_owned());
        }
        buildx::refuses_cache_export(conditions)
    }

    fn more_builds(&self) -> MoreBuilds {
        MoreBuilds { other_images: self.images - 1, ..MoreBuilds::default() }
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let to = job.fill(self, CACHE_TO);
        let from = job.commit.map(|_| job.fill(self, CACHE_FROM));
        let (output, built) = self.cache.output();
        let build = Build { cache_to: Some(&to), cache_from: from.as_deref(), ..Build::plain("build", output) };
        let trace = build.run(job)?;
        // Without a step nothing was fetched either: there is no image here to look at, unless it was loaded.
        let nothing = from.is_some() && trace.executed.is_empty() && built == ImageLocation::BuilderCache;
        let built = if nothing { ImageLocation::WarmUp } else { built };
        for (sources, number) in job.others.iter().zip(2..) {
            let other = Job { sources, ..*job };
            let to = match self.scope {
                Scope::Shared => to.clone(),
                Scope::Own => job.fill(self, &CACHE_TO.replace("{name}", &format!("{{name}}-{number}"))),
            };
            Build { cache_to: Some(&to), ..Build::plain(&format!("build-{number}"), output) }.run(&other)?;
        }
        job.recorder.fact(CLIENT, "BuildKit");
        Ok(ProducerOutput { ticket: Ticket::default().with("scope", job.name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("scope").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        let from = job.fill(self, CACHE_FROM);
        Build { cache_from: Some(&from), ..Build::plain("build", Output::Load) }.run_cached(job)
    }

    fn built_at(&self) -> BuiltAt {
        BuiltAt::BuilderCache
    }
}

/// Why steps do not know `compression`.
const ONE_COMPRESSION: &str = "there is one value only, and BuildKit is not told it";

/// What the producer's build is told, here and on GitHub.
const CACHE_TO: &str = "type=gha,scope={name},mode={mode}";
/// What the consumer's build is told.
const CACHE_FROM: &str = "type=gha,scope={name}";

const ONE_IMAGE: Unsupported = Unsupported::option("images", "the workflow builds one image");
const ONE_SCOPE: Unsupported = Unsupported::option("scope", "the workflow builds one image, whose scope is its own");

const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[Unsupported::option("compression", ONE_COMPRESSION), ONE_IMAGE, ONE_SCOPE],
    not_in_a_workflow: &[Unsupported::option("compression", ONE_COMPRESSION), ONE_IMAGE, ONE_SCOPE],
    producer: &buildx::cache_builds(CACHE_TO),
    consumer: &[steps::build(None, None, Some(CACHE_FROM))],
    client: Some("BuildKit"),
    consumer_is_cached: true,
    ..Recipe::EMPTY
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_several_images_that_cannot_be_are_refused_with_the_fix() {
        let refused = |text: &str, cache_state| {
            let conditions = Conditions { cache_state, ..Conditions::default() };
            crate::find(&text.parse().unwrap()).unwrap().refuses(&conditions)
        };
        let cold = |text| refused(text, CacheState::Cold);
        assert_eq!((cold("gha-cache:images=2"), cold("gha-cache:images=2,scope=shared")), (None, None));
        assert!(cold("gha-cache:scope=shared").unwrap().contains("add images=2"));
        assert!(cold("gha-cache:images=2,producer-load=true").unwrap().contains("leave producer-load out"));
        assert!(refused("gha-cache:images=2", CacheState::Warm).unwrap().contains("--cache-state cold"));
        assert_eq!(refused("gha-cache", CacheState::Warm), None);
        let more = |text: &str| crate::find(&text.parse().unwrap()).unwrap().more_builds();
        assert_eq!((more("gha-cache").other_images, more("gha-cache:images=2").other_images), (0, 1));
    }
}
