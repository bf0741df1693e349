//! `zstd-stream`: a docker tar, compressed by zstd, streamed into an artifact; never a file on either side.
//!
//! The connection plan (block size, blocks in flight) is that of the client that the spike names; the client is ours unless
//! the caller brings that one, and the row says which. The programs run in a pipe, as they would in a workflow's step.

use std::collections::BTreeMap;

use handoff_model::conditions::GITHUB;
use handoff_model::recipe::{BuiltAt, Step, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{Conditions, Failure, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket};

use crate::options::{facts_and_recipe, options};
use crate::pipe::{self, Stage};
use crate::stream_client::{Client, ClientOptions};
use crate::tar::{self, LayersOption, Writer};
use crate::{Job, ProducerOutput, Source, StepResult, Strategy, clients, steps};

options! {
    /// The strategy.
    pub struct ZstdStream {
        /// zstd level
        level: u32 [1..=19] = 3,
        /// zstd threads (0: one a core)
        threads: u32 [0..=64] = 0,
        /// what makes the tar: `docker save` of a loaded build, or the builder straight into the pipe (output)
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

impl ZstdStream {
    fn writer(&self, conditions: &Conditions) -> Result<Writer, String> {
        Writer::of(self.source, self.exporter.layers, conditions)
    }
}

impl Strategy for ZstdStream {
    facts_and_recipe!();

    /// The connection plan that the spike names is anybody's; another one is that of our own client.
    fn is_ours(&self) -> bool {
        self.stream.own_plan().is_some()
    }

    fn source(&mut self) -> Option<&mut Source> {
        Some(&mut self.source)
    }

    fn resolve_defaults(&mut self, conditions: &Conditions) {
        // On GitHub's runners the client is an action, and that is the one that the spike names.
        if conditions.profile == GITHUB {
            self.stream.client = Client::Lhotari;
        }
    }

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        self.writer(conditions).err().or_else(|| self.stream.refuses())
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let writer = Writer::in_job(self.writer(job.conditions), job)?;
        let words = COMPRESS[1..].iter().map(|w| job.fill(self, w));
        let zstd = job.program(&job.tools.zstd, words, &BTreeMap::new());
        let (upload, mut gate) = self.stream.upload(job)?;
        let stages = vec![Stage::new(SpanKind::Compress, "zstd", zstd), upload];
        let built = tar::pipe_from(job, writer, stages, || gate.commit())?;
        self.stream.require_success(job, "upload")?;
        Ok(ProducerOutput { ticket: Ticket::default().with("artifact", job.name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("artifact").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let zstd = job.program(&job.tools.zstd, &DECOMPRESS[1..], &BTreeMap::new());
        let load = Stage::new(SpanKind::Load, "docker-load", job.engine.docker(["load"]));
        let stages = vec![self.stream.download(job)?, Stage::new(SpanKind::Decompress, "zstd-d", zstd), load];
        pipe::start(job, stages)?.finish(job, 3, || Ok(()))?;
        self.stream.require_success(job, "download")
    }

    fn built_at(&self) -> BuiltAt {
        if self.source == Source::Output { BuiltAt::BuilderCache } else { BuiltAt::Engine }
    }
}

/// The compressor with its arguments, here and on GitHub.
const COMPRESS: &[&str] = &["zstd", "-{level}", "-T{threads}", "--quiet", "--stdout"];
/// The decompressor.
const DECOMPRESS: &[&str] = &["zstd", "-d", "--quiet", "--stdout"];

/// The client that the spike names.
const CLIENT_NAME: &str = "gh-actions-artifact-client";
/// It is a step of the recipe, as the spike has it.
const CLIENT_STEP: Step = steps::uses(SpanKind::Command, CLIENT_NAME, "lhotari/gh-actions-artifact-client", &[])
    .when(&[("client", "lhotari")]);
/// The end of the producer's pipe.
const UPLOAD: &[&str] = &["gh-actions-artifact-client.js", "upload", "{name}"];

/// The beginning of the consumer's.
const DOWNLOAD: &[&str] = &["gh-actions-artifact-client.js", "download", "{name}"];

/// Why steps cannot choose how a stream is cut.
const OWN_PLAN: &str = "the client that the spike names has a connection plan of its own";

const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[
        Unsupported::option("blocks", OWN_PLAN),
        Unsupported::option("ranges", OWN_PLAN),
        Unsupported::option("client", "on GitHub it is always the one that the spike names"),
        Unsupported::option("dir", "the client comes as an action"),
    ],
    not_in_a_workflow: &[
        Unsupported::option("blocks", "only Handoff's own client has it, and no action offers that client"),
        Unsupported::option("ranges", "only Handoff's own client has it, and no action offers that client"),
        Unsupported::values(
            "client",
            &["handoff"],
            "no action offers Handoff's own client, which moved these streams: measure client=lhotari,dir=DIR",
        ),
    ],
    of_the_machine: &[("dir", "the client comes as the action lhotari/gh-actions-artifact-client, pinned")],
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
