//! `gha-cache`: the builder's own cache goes to the cache service, and the consumer builds again from it.

use handoff_model::recipe::{BuiltAt, Does, Step, Unsupported};
use handoff_model::{
    Conditions, OptionKind, OptionSpec, Recipe, SpanKind, Storage, StrategyFacts, StrategySpec, Ticket,
};

use crate::buildx::{Build, Output};
use crate::recorder::CLIENT;
use crate::{Built, Handed, Job, StepResult, Strategy, buildx};

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

const FACTS: StrategyFacts = StrategyFacts {
    name: "gha-cache",
    summary: "build with cache-to type=gha, build again with cache-from type=gha, loaded",
    storage: Storage::Cache,
    moves_image: false,
    has_producer: true,
    options: &[buildx::MODE_OPTION, COMPRESSION_OPTION, buildx::PRODUCER_LOAD_OPTION],
};

impl Strategy for GhaCache {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, _spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        buildx::refuses_cache_export(conditions)
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

const RECIPE: Recipe = Recipe {
    options: &[],
    not_in_a_cell: &[Unsupported::option("compression", ONE_COMPRESSION)],
    not_in_a_workflow: &[Unsupported::option("compression", ONE_COMPRESSION)],
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
