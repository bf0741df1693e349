//! Strategies: the ways to hand a Docker image from one job to others, one file each, behind one trait.
//!
//! A strategy sees a [`Job`]: an engine, the sources, an empty folder, and the address and token of a service. A producer
//! passes parameters to consumers only through the [`Ticket`].
//!
//! `CONTRIBUTING.md` describes how to add a strategy.
//!
//! # Example
//!
//! ```
//! let variants = handoff_strategies::parse_list("artifact:level=6,rebuild")?;
//! let strategy = handoff_strategies::find(&variants[0])?;
//! assert_eq!(strategy.values()["level"], "6");
//! assert!(strategy.facts().moves_image);
//! # Ok::<(), handoff_model::StrategyError>(())
//! ```

use std::path::PathBuf;

use handoff_model::recipe::BuiltAt;
use handoff_model::{
    Builder, Conditions, Failure, ImageIdentity, Recipe, Role, Storage, StrategyFacts, StrategySpec, Ticket, Transfer,
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

mod all;
mod builder;
mod cache;
mod steps;
mod stream_client;
mod tar;

pub use all::{ALL, check_list, find, names, parse_list, variant_facts};
pub use job::{Job, PULL_BUILDER_IMAGE, Tools};
pub use options::Options;
pub use recorder::Recorder;
pub use source::Source;

/// Result of a strategy's step. A failure names its span.
pub type StepResult<T> = Result<T, Failure>;

/// Output of a producer at the end of its clock.
#[derive(Debug)]
pub struct ProducerOutput {
    /// Parameters for consumers.
    pub ticket: Ticket,
    /// Location of the image, for its identification off the clock.
    pub built: ImageLocation,
}

/// Location of a producer's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageLocation {
    /// Docker tar.
    Tar(PathBuf),
    /// The job's engine, as `job.image`.
    Engine,
    /// No remaining location, but a known identity from the push.
    Known(ImageIdentity),
    /// The builder's cache, from which the harness loads the image off the clock.
    BuilderCache,
    /// Docker tar that is gone. The harness writes the tar again from the builder's cache, off the clock.
    CachedTar(buildx::Layers),
    /// Image of a warm-up, because the producer found its commit already built.
    WarmUp,
}

/// Numbers of builds beside the trial's image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoreBuilds {
    /// Images with other content in every generated layer, which the producer also builds: [`Job::others`].
    pub other_images: u32,
    /// Pushes before the trial's push, each with other content in the last layer, another commit, and a job off every clock.
    pub earlier_pushes: u32,
}

/// Way to hand over an image, with its options: a struct that [`options::options!`] declares.
pub trait Strategy: Options + Send + Sync {
    /// Facts of every variant of the strategy.
    fn facts(&self) -> &'static StrategyFacts;

    /// Steps of the strategy as GitHub jobs.
    fn recipe(&self) -> &'static Recipe;

    /// Service against whose quota the bytes count.
    fn storage(&self) -> Storage {
        self.facts().storage
    }

    /// Transfer pattern of the client; none if no bytes are moved.
    fn transfer(&self) -> Option<Transfer> {
        self.facts().transfer
    }

    /// Whether the strategy needs software of this project.
    fn is_ours(&self) -> bool {
        self.facts().ours
    }

    /// Option that selects the writer of the image, if there is one.
    fn source(&mut self) -> Option<&mut Source> {
        None
    }

    /// Sets options with the value `auto` to the value for these conditions.
    fn resolve_defaults(&mut self, conditions: &Conditions) {
        if let Some(source) = self.source() {
            *source = source.resolved(conditions, Source::Save);
        }
    }

    /// Reason why the strategy cannot run under these conditions, if any: the cell's, with the variant's builder.
    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        let _ = conditions;
        None
    }

    /// Builder in place of that of the conditions, if the variant names one.
    fn builder(&self) -> Option<Builder> {
        None
    }

    /// Builds beside the trial's image.
    fn more_builds(&self) -> MoreBuilds {
        MoreBuilds::default()
    }

    /// Whether a consumer switches the image store of its engine, which it therefore restarts.
    fn switches_store(&self) -> bool {
        false
    }

    /// Whether a role runs a build, and so may need a builder's image in its engine.
    fn builds(&self, role: Role) -> bool {
        role == Role::Producer || !self.facts().moves_image
    }

    /// Runs the producer, from a ready engine with sources and without builds, until a consumer could start.
    ///
    /// # Errors
    /// A step fails: the failure names its span.
    fn produce(&self, job: &Job) -> StepResult<ProducerOutput>;

    /// Runs a consumer until the engine has `job.image`. The harness starts the first container.
    ///
    /// # Errors
    /// A step fails: the failure names its span.
    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()>;

    /// Location of the image after the recipe's producer on GitHub.
    fn built_at(&self) -> BuiltAt;
}

impl dyn Strategy + '_ {
    /// Conditions of the variant's jobs: those of the cell, with the builder that the variant names. Without a container
    /// builder no job pulls its image; the time of a pull is otherwise that of the cell, which may have none.
    pub fn conditions(&self, of_cell: &Conditions) -> Conditions {
        let builder = self.builder().unwrap_or(of_cell.builder);
        let builder_pull_ms = if builder == Builder::Docker { 0 } else { of_cell.builder_pull_ms };
        Conditions { builder, builder_pull_ms, ..of_cell.clone() }
    }

    /// Reason why the variant cannot run under a cell's conditions, if any. The plan then refuses it.
    pub fn refused(&self, of_cell: &Conditions) -> Option<String> {
        builder::refuses(self.builder(), of_cell).or_else(|| self.refuses(&self.conditions(of_cell)))
    }

    /// Whether later runs find what the strategy stores, so that cache states matter: caches outlive a run, artifacts do not.
    pub fn outlives_a_run(&self) -> bool {
        self.facts().has_producer && self.storage() == Storage::Cache
    }

    /// Facts of this variant for readers of rows; `spec` names the variant.
    pub fn facts_of_variant(&self, spec: &StrategySpec) -> VariantFacts {
        let StrategyFacts { moves_image, has_producer, colour, marker, .. } = *self.facts();
        let (storage, ours) = (self.storage(), self.is_ours());
        VariantFacts { strategy: spec.clone(), storage, moves_image, has_producer, ours, colour, marker }
    }
}
