//! `gha-cache`: the builder's own cache goes to the cache service, and the consumer builds again from it.

use handoff_model::recipe::{BuiltAt, Does, Step, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    CacheState, Conditions, Marker, OptionKind, OptionSpec, Recipe, SpanKind, Storage, StrategyFacts, StrategySpec,
    Ticket,
};

use crate::buildx::{Build, Output};
use crate::recorder::CLIENT;
use crate::{Built, Handed, Job, MoreBuilds, StepResult, Strategy, buildx};

/// The strategy.
pub struct GhaCache;

/// `compression`: there to say what there is not. `BuildKit`'s exporter for this cache reads no such attribute and would
/// pass over it in silence.
const COMPRESSION_OPTION: OptionSpec = OptionSpec {
    name: "compression",
    kind: OptionKind::Word(&["gzip"]),
    default: "gzip",
    help: "how layers are compressed: BuildKit's type=gha exporter knows nothing else (local-cache does)",
};

/// `images`: how many images the producer builds and exports, one after the other.
const IMAGES_OPTION: OptionSpec = OptionSpec {
    name: "images",
    kind: OptionKind::Number(1, 2),
    default: "1",
    help: "how many images the producer builds and exports, one after the other, other in every layer; the consumer needs the first",
};

/// `scope`: under which scope each of several images is exported.
const SCOPE_OPTION: OptionSpec = OptionSpec {
    name: "scope",
    kind: OptionKind::Word(&["own", "shared"]),
    default: "own",
    help: "the scope of each image's cache: one of its own (own), or the first one's for all (shared)",
};

const FACTS: StrategyFacts = StrategyFacts {
    name: "gha-cache",
    summary: "build with cache-to type=gha, build again with cache-from type=gha, loaded",
    storage: Storage::Cache,
    moves_image: false,
    has_producer: true,
    ours: false,
    colour: look::GREEN,
    marker: Marker::Triangle,
    options: &[buildx::MODE_OPTION, COMPRESSION_OPTION, buildx::PRODUCER_LOAD_OPTION, IMAGES_OPTION, SCOPE_OPTION],
};

impl Strategy for GhaCache {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        let option = |name| FACTS.option(spec, name);
        let several = option(IMAGES_OPTION.name) != IMAGES_OPTION.default;
        if !several && option(SCOPE_OPTION.name) != SCOPE_OPTION.default {
            return Some(
                "scope=shared: one image shares its scope with no other: add images=2, or leave scope out".to_owned(),
            );
        }
        if several && conditions.cache_state != CacheState::Cold {
            return Some("images=2: earlier runs of two images are not played: use --cache-state cold".to_owned());
        }
        if several && option(buildx::PRODUCER_LOAD_OPTION.name) == "true" {
            return Some("images=2: only caches are exported: leave producer-load out".to_owned());
        }
        buildx::refuses_cache_export(conditions)
    }

    fn more_builds(&self, spec: &StrategySpec) -> MoreBuilds {
        let images = FACTS.option(spec, IMAGES_OPTION.name).parse().unwrap_or(1);
        MoreBuilds { other_images: images.max(1) - 1, ..MoreBuilds::default() }
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let to = job.fill(&FACTS, CACHE_TO);
        let from = job.commit.map(|_| job.fill(&FACTS, CACHE_FROM));
        let (output, built) = buildx::beside_cache(&job.option(&FACTS, "producer-load"));
        let build = Build { cache_to: Some(&to), cache_from: from.as_deref(), ..Build::plain("build", output) };
        let trace = build.run(job)?;
        // Without a step nothing was fetched either: there is no image here to look at, unless it was loaded.
        let nothing = from.is_some() && trace.executed.is_empty() && built == Built::BuilderCache;
        let built = if nothing { Built::Earlier } else { built };
        for (sources, number) in job.others.iter().zip(2..) {
            let other = Job { sources, ..*job };
            let to = match job.option(&FACTS, SCOPE_OPTION.name).as_str() {
                "shared" => to.clone(),
                _ => job.fill(&FACTS, &CACHE_TO.replace("{name}", &format!("{{name}}-{number}"))),
            };
            Build { cache_to: Some(&to), ..Build::plain(&format!("build-{number}"), output) }.run(&other)?;
        }
        job.recorder.fact(CLIENT, "BuildKit");
        Ok(Handed { ticket: Ticket::default().with("scope", job.name), built })
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

/// Why steps do not know `compression`.
const ONE_COMPRESSION: &str = "there is one value only, and BuildKit is not told it";

/// What the producer's build is told, here and on GitHub.
const CACHE_TO: &str = "type=gha,scope={name},mode={mode}";
/// What the consumer's build is told.
const CACHE_FROM: &str = "type=gha,scope={name}";

const ONE_IMAGE: Unsupported = Unsupported::option("images", "the workflow builds one image");
const ONE_SCOPE: Unsupported = Unsupported::option("scope", "the workflow builds one image, whose scope is its own");

const RECIPE: Recipe = Recipe {
    options: &[],
    not_in_a_cell: &[Unsupported::option("compression", ONE_COMPRESSION), ONE_IMAGE, ONE_SCOPE],
    not_in_a_workflow: &[Unsupported::option("compression", ONE_COMPRESSION), ONE_IMAGE, ONE_SCOPE],
    of_the_machine: &[],
    derived: &[],
    producer: &buildx::cache_builds(CACHE_TO),
    consumer: &[Step::always(
        SpanKind::Command,
        "build-push-action",
        Does::Build { outputs: None, cache_to: None, cache_from: Some(CACHE_FROM) },
    )],
    settle: Recipe::as_given,
    built: |_| BuiltAt::BuilderCache,
    consumer_is_cached: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_several_images_that_cannot_be_are_refused_with_the_fix() {
        let refused = |text: &str, cache_state| {
            let conditions = Conditions { cache_state, ..Conditions::default() };
            GhaCache.refuses(&text.parse().unwrap(), &conditions)
        };
        let cold = |text| refused(text, CacheState::Cold);
        assert_eq!((cold("gha-cache:images=2"), cold("gha-cache:images=2,scope=shared")), (None, None));
        assert!(cold("gha-cache:scope=shared").unwrap().contains("add images=2"));
        assert!(cold("gha-cache:images=2,producer-load=true").unwrap().contains("leave producer-load out"));
        assert!(refused("gha-cache:images=2", CacheState::Warm).unwrap().contains("--cache-state cold"));
        assert_eq!(refused("gha-cache", CacheState::Warm), None);
        let more = |text: &str| GhaCache.more_builds(&text.parse().unwrap());
        assert_eq!((more("gha-cache").other_images, more("gha-cache:images=2").other_images), (0, 1));
    }
}
