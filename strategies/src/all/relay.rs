//! `relay`: push and pull through a registry on loopback that stores layers in the artifact or cache service.
//!
//! Each role runs the program `handoff-relay`, as a workflow does by the actions `send` and `receive`. The sender uploads
//! layers while the builder pushes them. The receiver downloads layers by parallel ranges, and imports them into the
//! engine's containerd store while they come, or lets the engine pull them.

use handoff_model::recipe::{BuiltAt, Derived, Step, StepKind, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    Builder, Conditions, EngineKind, Failure, ImageIdentity, ImageStore, Marker, Recipe, SpanKind, Storage,
    StrategyFacts, Ticket, Transfer,
};

use crate::builder::{self, BuilderOption};
use crate::buildx::{Build, Compression, Output};
use crate::clients;
use crate::options::{facts_and_recipe, options, words};
use crate::recorder::SOURCE;
use crate::{ImageLocation, Job, ProducerOutput, Source, StepResult, Strategy, cache, steps};

mod program;

use program::Sent;

words! {
    /// Service that stores the layers.
    pub enum Store {
        Artifact = "artifact",
        Cache = "cache",
    }
}

words! {
    /// Way of the image into the consumer's engine.
    pub enum Import {
        /// Import where it is possible, else the engine's pull.
        Auto = "auto",
        /// The engine's pull.
        Never = "never",
        /// Import; where that is not possible, the consumer fails.
        Require = "require",
    }
}

words! {
    /// Encoding of plain layers in the store. Their digests stay those of the plain layers.
    pub enum Encoding {
        None = "none",
        Zstd = "zstd",
    }
}

options! {
    /// Strategy `relay`.
    pub struct Relay {
        /// storage of the layers: one artifact of the run, or cache entries that later runs find
        store: Store,
        /// compression of the layers that the builder pushes
        compression: Compression,
        /// zstd level of the layers that the builder pushes (0: the builder's default)
        level: u32 [0..=22] = 1,
        /// program that pushes: the builder (output), `docker push` (push), or the builder if it can (auto)
        source: Source ["auto", "output", "push"] = Auto,
        /// requests in flight (0: adapted to the throughput)
        connections: u32 [0..=64] = 0,
        /// MiB of an uploaded block and of a downloaded range
        part: u32 [1..=16] = 4,
        /// compression of plain layers by the sender, with compression=uncompressed
        encoding: Encoding,
        /// whether the receiver writes the image into the containerd store (require, or auto where it can) or the engine pulls it (never);
        /// a trial resolves auto to require with the containerd store of a private engine, and to never with overlay2
        import: Import,
        /// whether the receiver turns the containerd store of an overlay2 engine on, restarts dockerd and then imports
        store_switch as "store-switch": bool = false,
        ..build: BuilderOption,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "relay",
    summary: "push to a registry on loopback that stores layers as an artifact while they come; import them into the engine from parallel ranges",
    storage: Storage::Artifact,
    transfer: Some(clients::ARTIFACT_TRANSFER),
    moves_image: true,
    has_producer: true,
    ours: true,
    colour: look::SKY,
    marker: Marker::Plus,
    options: Relay::OPTIONS,
};

impl Strategy for Relay {
    facts_and_recipe!();

    fn storage(&self) -> Storage {
        match self.store {
            Store::Artifact => Storage::Artifact,
            Store::Cache => Storage::Cache,
        }
    }

    fn transfer(&self) -> Option<Transfer> {
        if self.store == Store::Cache { Some(cache::TRANSFER) } else { FACTS.transfer }
    }

    fn source(&mut self) -> Option<&mut Source> {
        Some(&mut self.source)
    }

    fn builder(&self) -> Option<Builder> {
        self.build.named()
    }

    fn switches_store(&self) -> bool {
        self.store_switch
    }

    fn resolve_defaults(&mut self, conditions: &Conditions) {
        self.source = self.source.resolved(conditions, Source::Push);
        self.import = self.way(conditions);
    }

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        let overlay2 = conditions.image_store == ImageStore::Overlay2;
        let pushes = self.source.resolved(conditions, Source::Push) == Source::Push;
        let encodes = self.encoding != Encoding::DEFAULT;
        let reason = match (self.store_switch, self.import) {
            (true, Import::Never) => "store-switch=true serves the import only: leave import=never out",
            (true, _) if !overlay2 => "store-switch=true: the engine has the containerd store already: leave it out",
            (true, _) if conditions.engine != EngineKind::Private => {
                "store-switch=true restarts dockerd, which is not the harness's own: use --engine private"
            }
            (false, Import::Require) if overlay2 => {
                "import=require: nothing can be written into the overlay2 store while dockerd runs: add store-switch=true, or leave it out"
            }
            _ if encodes && pushes => {
                "encoding=zstd: `docker push` compresses layers already: use --builder docker-container, or leave it out"
            }
            _ if encodes && self.compression != Compression::Uncompressed => {
                "encoding=zstd compresses plain layers: add compression=uncompressed"
            }
            _ => return None,
        };
        Some(reason.to_owned())
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let name = job.key();
        let source = match self.source {
            // A finished image can only be pushed.
            Source::Auto if job.sources.built => Source::Push,
            source => source.resolved(job.conditions, Source::Push),
        };
        job.recorder.fact(SOURCE, source.as_str());
        let builds = source == Source::Output;
        let builder = if builds { job.builder()? } else { None };
        if !builds && !job.sources.built {
            Build::plain("build", Output::Load).run(job)?;
        }
        let build = builds.then_some((job.sources, builder.as_deref()));
        let earlier = job.commit.map(|_| format!("{}-", job.name));
        let sent = Sent { image: job.image, name: &name, build, earlier: earlier.as_deref() };
        let kind = if builds { SpanKind::Build } else { SpanKind::Export };
        let report = program::run(job, kind, self.send(&sent)?)?;
        let ticket = Ticket::default().with("relay", name);
        if report.sent {
            return Ok(ProducerOutput { ticket, built: ImageLocation::WarmUp });
        }
        if builds {
            job.recorder.count_steps(report.steps);
        }
        let digest = report.images.first().map(|image| image.digest.clone());
        let ticket = digest.into_iter().fold(ticket, |ticket, digest| ticket.with("digest", digest));
        let clients::ClientReport { index, config, layers, .. } = report;
        let identity = ImageIdentity { index, config, layers, ..ImageIdentity::default() };
        Ok(ProducerOutput { ticket, built: ImageLocation::Known(identity) })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let name = ticket.get("relay").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let import = self.way(job.conditions);
        // The producer of an image that an earlier run has sent knows no digest.
        let args = self.receive(name, ticket.get("digest").ok(), import, job.engine.restart())?;
        let report = program::run(job, SpanKind::Load, args)?;
        program::imported(import, &report)
    }

    fn built_at(&self) -> BuiltAt {
        BuiltAt::Pushed
    }
}

impl Relay {
    /// Way into the engine under these conditions. A measured cell imports always or never, so that its trials are alike;
    /// an engine that is not the harness's own may be one into which nothing can be imported.
    fn way(&self, conditions: &Conditions) -> Import {
        let containerd = conditions.image_store == ImageStore::Containerd || self.store_switch;
        match self.import {
            Import::Auto if !containerd => Import::Never,
            Import::Auto if conditions.engine == EngineKind::Private => Import::Require,
            named => named,
        }
    }
}

/// Condition of steps for images that the engine pushes.
const PUSHES: &[(&str, &str)] = &[("source", "push")];

/// Inputs of the action that sends an image of the engine.
const SEND: &[(&str, &str)] = &[
    ("image", "{image}"),
    ("name", "{name}"),
    ("store", "{store}"),
    ("connections", "{connections}"),
    ("part", "{part}"),
];
/// Inputs of the action that builds and sends an image.
const SEND_BUILD: &[(&str, &str)] = &[
    ("image", "{image}"),
    ("name", "{name}"),
    ("context", "{sources}"),
    ("compression", "{compression}"),
    ("level", "{level}"),
    ("encoding", "{encoding}"),
    ("store", "{store}"),
    ("connections", "{connections}"),
    ("part", "{part}"),
];
/// Inputs of the action that receives an image. The digest is the sender's output, because any job of a run can write
/// artifacts.
const RECEIVE: &[(&str, &str)] = &[
    ("name", "{name}"),
    ("digest", "{digest}"),
    ("import", "{import-input}"),
    ("store-switch", "{store-switch}"),
    ("store", "{store}"),
    ("connections", "{connections}"),
    ("part", "{part}"),
];

/// Input `import` of a workflow: a user's job falls back to the pull where a measured one fails.
const IMPORT_INPUT: Derived = Derived {
    place: "import-input",
    shows: "import",
    text: |import| if import == Import::Require.as_str() { Import::Auto.as_str() } else { import }.to_owned(),
};

/// Recipe with this repository's actions, because only an action gets the job's token.
const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[
        Unsupported::option("store", "a cell removes its entries, and another cell may share an entry by digest"),
        Unsupported::option("store-switch", "a cell keeps the engine of its runner"),
        builder::NOT_IN_A_CELL,
    ],
    of_the_machine: &[builder::OF_THE_MACHINE],
    derived: &[IMPORT_INPUT],
    producer: &[
        steps::build(None, None, None).when(PUSHES),
        Step::always(SpanKind::Upload, "handoff/send", StepKind::Repository("send", SEND)).when(PUSHES),
        Step::always(SpanKind::Command, "handoff/send (builds)", StepKind::Repository("send", SEND_BUILD))
            .when(&[("source", "output")]),
    ],
    consumer: &[Step::always(SpanKind::Download, "handoff/receive", StepKind::Repository("receive", RECEIVE))],
    client: Some("handoff-relay"),
    ..Recipe::EMPTY
};

#[cfg(test)]
mod tests;
