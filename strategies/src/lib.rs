//! The ways to hand an image over: one file a strategy, behind one trait.
//!
//! A strategy sees a [`Job`]: an engine, the sources, an empty folder, and the address and token of a service. It never
//! sees the service itself, nor the other side: what the sides tell each other goes through the [`Ticket`].
//!
//! To add one: write its file in `all/`, and name it in `all.rs`. `CONTRIBUTING.md` walks through it.

use std::path::PathBuf;

use handoff_model::recipe::BuiltAt;
use handoff_model::{
    Conditions, Failure, ImageIdentity, Recipe, Role, Storage, StrategyFacts, StrategySpec, Ticket, Transfer,
    VariantFacts,
};

pub mod buildx;
pub mod clients;
pub mod github;
pub mod job;
pub mod options;
pub mod pipe;
pub mod recorder;
pub mod source;
pub mod trace;

mod all;
mod cache;
mod steps;
mod stream_client;
mod tar;

pub use all::{ALL, PUSH_LEVEL, check_list, find, names, parse_list, variant_facts};
pub use job::{Job, ServiceAccess, Tools};
pub use options::Options;
pub use recorder::Recorder;
pub use source::Source;

/// What one side of a strategy returns: the failure names the span in which it broke.
pub type StepResult<T> = Result<T, Failure>;

/// What a producer leaves when its clock stops.
#[derive(Debug)]
pub struct ProducerOutput {
    /// What consumers are told.
    pub ticket: Ticket,
    /// Where the image that was built can be looked at, off the clock.
    pub built: ImageLocation,
}

/// Where the image that was built can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageLocation {
    /// In this docker tar.
    Tar(PathBuf),
    /// In the job's engine, as `job.image`.
    Engine,
    /// Nowhere that is left: what is known of it was told when it was pushed.
    Known(ImageIdentity),
    /// Only in the builder's cache: the harness loads it from there, off the clock.
    BuilderCache,
    /// In a docker tar that is gone; its layers are in the builder's cache, so the harness has it written again from
    /// there, off the clock.
    CachedTar(buildx::Layers),
    /// Nothing was built, because an earlier run of this very commit had been: the image is that run's.
    WarmUp,
}

/// Images that a trial builds beside its own, where options ask for some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoreBuilds {
    /// Images with other content in every generated layer, which the producer builds too: [`Job::others`].
    pub other_images: u32,
    /// Pushes before the trial's own, each with other content in the last layer: a producer's job of its own, off every
    /// clock, with a commit of its own.
    pub earlier_pushes: u32,
}

/// One way to hand an image over, with its options: a struct that [`options::options!`] declares.
pub trait Strategy: Options + Send + Sync {
    /// What is true of it whatever its options are.
    fn facts(&self) -> &'static StrategyFacts;

    /// Its steps as GitHub jobs.
    fn recipe(&self) -> &'static Recipe;

    /// The service whose limit its bytes count against.
    fn storage(&self) -> Storage {
        self.facts().storage
    }

    /// How its client moves bytes; none where nothing is moved.
    fn transfer(&self) -> Option<Transfer> {
        self.facts().transfer
    }

    /// Whether it is this project's own, not a way that anybody has without it.
    fn is_ours(&self) -> bool {
        self.facts().ours
    }

    /// The option that says who writes the image, where there is one.
    fn source(&mut self) -> Option<&mut Source> {
        None
    }

    /// Gives options that depend on the conditions (`auto`) the value that holds under them.
    fn resolve_defaults(&mut self, conditions: &Conditions) {
        if let Some(source) = self.source() {
            *source = source.resolved(conditions, Source::Save);
        }
    }

    /// Why it cannot run under these conditions, if so: found out when planning, not when running.
    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        let _ = conditions;
        None
    }

    /// The images that a trial builds beside its own.
    fn more_builds(&self) -> MoreBuilds {
        MoreBuilds::default()
    }

    /// Whether a side of it runs a build, and so may need a builder's image in its engine.
    fn builds(&self, role: Role) -> bool {
        role == Role::Producer || !self.facts().moves_image
    }

    /// The producer: from "engine ready, sources there, nothing built" to "a consumer could start".
    fn produce(&self, job: &Job) -> StepResult<ProducerOutput>;

    /// A consumer: until the engine has the image `job.image`. The first container is started by the harness.
    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()>;

    /// Where the image that the recipe's producer built can be looked at when its clock has stopped.
    fn built_at(&self) -> BuiltAt;
}

impl dyn Strategy + '_ {
    /// Whether what it stores is there for later runs, so that a cache state matters to it: the cache is, artifacts belong to
    /// their run.
    pub fn outlives_a_run(&self) -> bool {
        self.facts().has_producer && self.storage() == Storage::Cache
    }

    /// What a reader of rows has to know of this variant, whose spec is given.
    pub fn facts_of_variant(&self, spec: &StrategySpec) -> VariantFacts {
        let StrategyFacts { moves_image, has_producer, colour, marker, .. } = *self.facts();
        let (storage, ours) = (self.storage(), self.is_ours());
        VariantFacts { strategy: spec.clone(), storage, moves_image, has_producer, ours, colour, marker }
    }
}
