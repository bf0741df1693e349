//! `zstd-stream`: docker tar, compressed by zstd and streamed into an artifact without a file in either role.
//!
//! The connection plan (block size, blocks in flight) is that of the spike's client. The client is Handoff's by default; the
//! row names it. The programs run in a pipe, as in a workflow's step.

use std::collections::BTreeMap;

use handoff_model::conditions::GITHUB;
use handoff_model::recipe::{BuiltAt, Step, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{Builder, Conditions, Failure, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket};

use crate::options::{facts_and_recipe, options};
use crate::pipe::{self, Stage};
use crate::stream_client::{Client, ClientOptions};
use crate::tar::{self, LayersOption, Writer};
use crate::{Job, ProducerOutput, Source, StepResult, Strategy, builder, clients, steps};

options! {
    /// Strategy `zstd-stream`.
    pub struct ZstdStream {
        /// zstd level
        level: u32 [1..=19] = 3,
        /// zstd threads (0: one per core)
        threads: u32 [0..=64] = 0,
        /// writer of the tar: `docker save` after a loaded build (save), or the builder (output)
        source: Source ["save", "output"] = Save,
        ..exporter: LayersOption,
        ..stream: ClientOptions,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "zstd-stream",
    summary: "docker save | zstd | streamed into an artifact; streamed out into zstd -d | docker load",
    storage: Storage::Artifact,
    transfer: Some(clients::ARTIFACT_TRANSFER),
    moves_image: true,
    has_producer: true,
    ours: false,
    colour: look::VERMILION,
    marker: Marker::Down,
    options: ZstdStream::OPTIONS,
};

impl Strategy for ZstdStream {
    facts_and_recipe!();

    /// Whether the connection plan differs from that of the spike's client, which needs no software of this project.
    fn is_ours(&self) -> bool {
        self.stream.changed_plan().is_some()
    }

    fn source(&mut self) -> Option<&mut Source> {
        Some(&mut self.source)
    }

    fn resolve_defaults(&mut self, conditions: &Conditions) {
        // On GitHub's runners the client is the spike's action.
        if conditions.profile == GITHUB {
            self.stream.client = Client::Lhotari;
        }
    }

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        Writer::of(self.source, self.exporter.layers, conditions).err().or_else(|| self.stream.refuses())
    }

    fn builder(&self) -> Option<Builder> {
        self.exporter.build.named()
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let writer = Writer::in_job(Writer::of(self.source, self.exporter.layers, job.conditions), job)?;
        let words = COMPRESS[1..].iter().map(|w| job.fill(self, w));
        let zstd = job.program(&job.tools.zstd, words, &BTreeMap::new());
        let (upload, mut gate) = self.stream.upload(job)?;
        let stages = vec![Stage::new(SpanKind::Compress, "zstd", zstd), upload];
        let built = tar::pipe_from(job, writer, stages, || gate.commit())?;
        self.stream.record_client(job, "upload")?;
        Ok(ProducerOutput { ticket: Ticket::default().with("artifact", job.name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("artifact").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let zstd = job.program(&job.tools.zstd, &DECOMPRESS[1..], &BTreeMap::new());
        let load = Stage::new(SpanKind::Load, "docker-load", job.engine.docker(["load"]));
        let stages = vec![self.stream.download(job)?, Stage::new(SpanKind::Decompress, "zstd-d", zstd), load];
        pipe::start(job, stages)?.finish(job, 3, || Ok(()))?;
        self.stream.record_client(job, "download")
    }

    fn built_at(&self) -> BuiltAt {
        if self.source == Source::Output { BuiltAt::BuilderCache } else { BuiltAt::Engine }
    }
}

/// Compressor with its arguments, here and on GitHub.
const COMPRESS: &[&str] = &["zstd", "-{level}", "-T{threads}", "--quiet", "--stdout"];
/// Decompressor with its arguments.
const DECOMPRESS: &[&str] = &["zstd", "-d", "--quiet", "--stdout"];

/// Name of the spike's client.
const CLIENT_NAME: &str = "gh-actions-artifact-client";
/// Step that installs the spike's client.
const CLIENT_STEP: Step = steps::uses(SpanKind::Command, CLIENT_NAME, "lhotari/gh-actions-artifact-client", &[])
    .when(&[("client", "lhotari")]);
/// Last program of the producer's pipe.
const UPLOAD: &[&str] = &["gh-actions-artifact-client.js", "upload", "{name}"];

/// First program of the consumer's pipe.
const DOWNLOAD: &[&str] = &["gh-actions-artifact-client.js", "download", "{name}"];

/// Reason why steps have no connection plan.
const FIXED_PLAN: &str = "the spike's client has a fixed connection plan";

const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[
        Unsupported::option("blocks", FIXED_PLAN),
        Unsupported::option("ranges", FIXED_PLAN),
        Unsupported::option("client", "on GitHub it is always the spike's client"),
        Unsupported::option("dir", "the client comes as an action"),
        builder::NOT_IN_A_CELL,
    ],
    not_in_a_workflow: &[
        Unsupported::option("blocks", "only Handoff's client has it, and no action offers that client"),
        Unsupported::option("ranges", "only Handoff's client has it, and no action offers that client"),
        Unsupported::values(
            "client",
            &["handoff"],
            "no action offers Handoff's client, which moved these streams: measure client=lhotari,dir=DIR",
        ),
    ],
    of_the_machine: &[
        ("dir", "the client comes as the action lhotari/gh-actions-artifact-client, pinned"),
        builder::OF_THE_MACHINE,
    ],
    derived: &[tar::LAYERS_PLACE],
    producer: &[
        tar::BUILD_LOAD,
        CLIENT_STEP,
        steps::run(SpanKind::Command, "docker save | zstd | upload", &[tar::SAVE_TO_PIPE, COMPRESS, UPLOAD])
            .when(&[("source", "save")]),
        steps::run(SpanKind::Command, "buildx build | zstd | upload", &[tar::BUILD_TO_PIPE, COMPRESS, UPLOAD])
            .when(&[("source", "output")]),
    ],
    consumer: &[
        CLIENT_STEP,
        steps::run(SpanKind::Command, "download | zstd -d | docker load", &[DOWNLOAD, DECOMPRESS, &["docker", "load"]]),
    ],
    client: Some(CLIENT_NAME),
    ..Recipe::EMPTY
};
