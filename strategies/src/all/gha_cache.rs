//! `gha-cache`: the builder's cache in the cache service, from which the consumer builds again.

use handoff_model::recipe::{BuiltAt, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    Builder, CacheState, Conditions, Failure, Flow, Marker, Recipe, Storage, StrategyFacts, Ticket, Transfer,
};

use crate::buildx::{Build, CacheOptions, Output};
use crate::options::{facts_and_recipe, options, words};
use crate::recorder::CLIENT;
use crate::{ImageLocation, Job, MoreBuilds, ProducerOutput, StepResult, Strategy, builder, buildx, steps};

words! {
    /// Compression of layers. The option only refuses other values, which `BuildKit`'s exporter for this cache ignores silently.
    pub enum Compression {
        Gzip = "gzip",
    }
}

words! {
    /// Cache scope of several images.
    pub enum Scope {
        PerImage = "own",
        Common = "shared",
    }
}

options! {
    /// Strategy `gha-cache`.
    pub struct GhaCache {
        /// compression of layers: BuildKit's type=gha exporter supports gzip only (local-cache supports others)
        compression: Compression,
        /// number of images, different in every layer, that the producer builds and exports in turn; the consumer needs the first
        images: u32 [1..=2] = 1,
        /// cache scope of the images: one scope for each (own), or that of the first image for all (shared)
        scope: Scope,
        ..cache: CacheOptions,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "gha-cache",
    summary: "build with cache-to type=gha, build again with cache-from type=gha, loaded",
    storage: Storage::Cache,
    // Blocks of 1 MiB are uploaded in turn; layers are downloaded concurrently.
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
                "scope=shared: a single image has no other to share with: add images=2, or leave scope out".to_owned(),
            );
        }
        if several && conditions.cache_state != CacheState::Cold {
            return Some("images=2: warm-ups build one image only: use --cache-state cold".to_owned());
        }
        if several && self.cache.producer_load {
            return Some("images=2: the producer exports only caches: leave producer-load out".to_owned());
        }
        buildx::refuses_cache_export(conditions)
    }

    fn more_builds(&self) -> MoreBuilds {
        MoreBuilds { other_images: self.images - 1, ..MoreBuilds::default() }
    }

    fn builder(&self) -> Option<Builder> {
        self.cache.build.named()
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let to = job.fill(self, CACHE_TO);
        let from = job.commit.map(|_| job.fill(self, CACHE_FROM));
        let (output, built) = self.cache.output();
        let build = Build { cache_to: Some(&to), cache_from: from.as_deref(), ..Build::plain("build", output) };
        let trace = build.run(job).map_err(name_denial)?;
        // A build without executed steps pulls no layer, so that the image is not here unless it was loaded.
        let nothing = from.is_some() && trace.executed.is_empty() && built == ImageLocation::BuilderCache;
        let built = if nothing { ImageLocation::WarmUp } else { built };
        for (sources, number) in job.others.iter().zip(2..) {
            let other = Job { sources, ..*job };
            let to = match self.scope {
                Scope::Common => to.clone(),
                Scope::PerImage => job.fill(self, &CACHE_TO.replace("{name}", &format!("{{name}}-{number}"))),
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

/// Names the denial behind an entry that was not reserved. Not every version of `BuildKit` passes on the service's message,
/// and a taken key is no error of its export.
fn name_denial(mut failure: Failure) -> Failure {
    if failure.error.contains("failed to reserve cache") && !failure.error.contains("cache write denied") {
        failure.error.push_str(" (cache write denied: the service refuses this token's entries)");
    }
    failure
}

/// Reason why steps have no `compression`.
const ONE_COMPRESSION: &str = "BuildKit supports one value only and has no attribute for it";

/// `--cache-to` of the producer's build, here and on GitHub.
const CACHE_TO: &str = "type=gha,scope={name},mode={mode}";
/// `--cache-from` of the consumer's build.
const CACHE_FROM: &str = "type=gha,scope={name}";

const ONE_IMAGE: Unsupported = Unsupported::option("images", "the workflow builds one image");
const ONE_SCOPE: Unsupported = Unsupported::option("scope", "the workflow builds one image with one scope");

const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[Unsupported::option("compression", ONE_COMPRESSION), ONE_IMAGE, ONE_SCOPE, builder::NOT_IN_A_CELL],
    of_the_machine: &[builder::OF_THE_MACHINE],
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
    fn contradicting_options_of_several_images_are_refused_with_the_fix() {
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
