//! `zstd-stream`: a docker tar, compressed by zstd, streamed into an artifact; never a file on either side.
//!
//! The connection plan (block size, blocks in flight) is that of the client that the spike names; the client is ours unless
//! the caller brings that one, and the row says which. The programs run in a pipe, as they would in a workflow's step.

use std::collections::BTreeMap;

use handoff_model::conditions::GITHUB;
use handoff_model::recipe::{BuiltAt, Does, Step, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    Conditions, Failure, Marker, OptionKind, OptionSpec, Recipe, SpanKind, Storage, StrategyFacts, StrategySpec, Ticket,
};

use crate::pipe::{self, Stage};
use crate::stream_client::{self, StreamClient};
use crate::tar::{self, Source};
use crate::{Handed, Job, StepResult, Strategy};

/// The strategy.
pub struct ZstdStream;

const FACTS: StrategyFacts = StrategyFacts {
    name: "zstd-stream",
    summary: "docker save | zstd | streamed into an artifact; streamed out into zstd -d | docker load",
    storage: Storage::Artifact,
    moves_image: true,
    has_producer: true,
    ours: false,
    colour: look::VERMILION,
    marker: Marker::Down,
    options: &[
        OptionSpec { name: "level", kind: OptionKind::Number(1, 19), default: "3", help: "zstd level" },
        OptionSpec {
            name: "threads",
            kind: OptionKind::Number(0, 64),
            default: "0",
            help: "zstd threads (0: one a core)",
        },
        OptionSpec {
            name: "source",
            kind: OptionKind::Word(&["save", "output"]),
            default: "save",
            help: "what makes the tar: `docker save` of a loaded build, or the builder straight into the pipe (output)",
        },
        tar::LAYERS_OPTION,
        OptionSpec {
            name: "blocks",
            kind: OptionKind::Number(1, 256),
            default: "24",
            help: "8 MiB blocks in flight when uploading",
        },
        OptionSpec {
            name: "ranges",
            kind: OptionKind::Number(1, 256),
            default: "1",
            help: "ranges of 8 MiB fetched at once when downloading, written in order; 1 is one request for all",
        },
        OptionSpec {
            name: "client",
            kind: OptionKind::Word(&["handoff", "lhotari"]),
            default: "handoff",
            help: "what moves the stream: our own client, or lhotari/gh-actions-artifact-client from a tree of yours",
        },
        OptionSpec {
            name: "dir",
            kind: OptionKind::Text,
            default: "",
            help: "the tree of client=lhotari, with dist/index.js in it",
        },
    ],
};

impl Strategy for ZstdStream {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        Source::named(&FACTS, spec, conditions).err().or_else(|| stream_client::refuses(spec))
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let source = Source::in_job(&FACTS, job)?;
        let client = client(job)?;
        let words = COMPRESS[1..].iter().map(|w| job.fill(&FACTS, w));
        let zstd = job.program(&job.tools.zstd, words, &BTreeMap::new());
        let (upload, mut gate) = client.upload(job)?;
        let stages = vec![Stage::new(SpanKind::Compress, "zstd", zstd), upload];
        let built = tar::pipe_from(job, source, stages, || gate.commit())?;
        client.told(job, "upload")?;
        Ok(Handed { ticket: Ticket::default().with("artifact", job.name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("artifact").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let client = client(job)?;
        let zstd = job.program(&job.tools.zstd, &DECOMPRESS[1..], &BTreeMap::new());
        let running = pipe::start(
            job,
            vec![
                client.download(job)?,
                Stage::new(SpanKind::Decompress, "zstd-d", zstd),
                Stage::new(SpanKind::Load, "docker-load", job.engine.docker(["load"])),
            ],
        )?;
        running.finish(job, 3, || Ok(()))?;
        client.told(job, "download")
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

/// The compressor with its arguments, here and on GitHub.
const COMPRESS: &[&str] = &["zstd", "-{level}", "-T{threads}", "--quiet", "--stdout"];
/// The decompressor.
const DECOMPRESS: &[&str] = &["zstd", "-d", "--quiet", "--stdout"];

/// The client that the spike names; a step of the recipe, as the spike has it.
const CLIENT_STEP: Step = Step::always(
    SpanKind::Command,
    "gh-actions-artifact-client",
    Does::Uses("lhotari/gh-actions-artifact-client", &[]),
)
.when(&[("client", "lhotari")]);
/// The end of the producer's pipe.
const UPLOAD: &[&str] = &["gh-actions-artifact-client.js", "upload", "{name}"];

/// Why steps cannot choose how a stream is cut.
const OWN_PLAN: &str = "the client that the spike names has a connection plan of its own";

const RECIPE: Recipe = Recipe {
    options: &[],
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
        Step::always(
            SpanKind::Command,
            "docker save | zstd | upload",
            Does::Run(&[tar::SAVE_TO_PIPE, COMPRESS, UPLOAD]),
        )
        .when(&[("source", "save")]),
        Step::always(
            SpanKind::Command,
            "buildx build | zstd | upload",
            Does::Run(&[tar::BUILD_TO_PIPE, COMPRESS, UPLOAD]),
        )
        .when(&[("source", "output")]),
    ],
    consumer: &[
        CLIENT_STEP,
        Step::always(
            SpanKind::Command,
            "download | zstd -d | docker load",
            Does::Run(&[&["gh-actions-artifact-client.js", "download", "{name}"], DECOMPRESS, &["docker", "load"]]),
        ),
    ],
    settle: |options, conditions| {
        // On GitHub's runners the client is an action, and that is the one that the spike names.
        if conditions.profile == GITHUB {
            options.insert("client".to_owned(), "lhotari".to_owned());
        }
    },
    built: |options| {
        if options.get("source").is_some_and(|s| s == "output") { BuiltAt::BuilderCache } else { BuiltAt::Engine }
    },
    consumer_is_cached: false,
};

fn client(job: &Job) -> StepResult<StreamClient> {
    StreamClient::of(job, job.option(&FACTS, "blocks"), job.option(&FACTS, "ranges"))
}
