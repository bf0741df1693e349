//! `zstd-stream`: `docker save`, compressed by zstd, streamed into an artifact; never a file on either side.
//!
//! The connection plan (block size, blocks in flight) is that of the client that the spike names; the client is ours and
//! the row says so. Three programs run in a pipe, as they would in a workflow's step.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use handoff_model::recipe::{BuiltAt, Does, Step};
use handoff_model::{Failure, OptionKind, OptionSpec, Recipe, SpanKind, Storage, StrategyFacts, Ticket};

use crate::buildx::{Build, Output};
use crate::clients::{ClientReport, read_report};
use crate::pipe::{self, Stage};
use crate::recorder::{CLIENT, SOURCE};
use crate::{Built, Handed, Job, StepResult, Strategy};

/// The strategy.
pub struct ZstdStream;

const FACTS: StrategyFacts = StrategyFacts {
    name: "zstd-stream",
    summary: "docker save | zstd | streamed into an artifact; streamed out into zstd -d | docker load",
    storage: Storage::Artifact,
    moves_image: true,
    has_producer: true,
    options: &[
        OptionSpec { name: "level", kind: OptionKind::Number(1, 19), default: "3", help: "zstd level" },
        OptionSpec {
            name: "threads",
            kind: OptionKind::Number(0, 64),
            default: "0",
            help: "zstd threads (0: one a core)",
        },
    ],
};

impl Strategy for ZstdStream {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        Build::plain("build", Output::Load).run(job)?;
        job.recorder.fact(SOURCE, "save");
        let gate = job.scratch.join("commit-gate");
        let fail = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Upload.as_str(), format!("commit gate: {e}"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RWXU).map_err(|e| fail(&e))?;
        // Both ends, so that opening never waits; held open until the word is said.
        let mut gate_pipe = fs::OpenOptions::new().read(true).write(true).open(&gate).map_err(|e| fail(&e))?;
        let report = job.logs.join("stream-upload.json");
        let none = BTreeMap::new();
        let zstd = job.program(&job.tools.zstd, COMPRESS[1..].iter().map(|w| job.fill(&FACTS, w)), &none);
        let upload = stream(job, "upload", &report, Some(&gate))?;
        let running = pipe::start(
            job,
            vec![
                Stage::new(SpanKind::Save, "docker-save", job.engine.docker(["save", job.image])),
                Stage::new(SpanKind::Compress, "zstd", zstd),
                Stage::new(SpanKind::Command, "handoff-stream-upload", upload),
            ],
        )?;
        // Only when both programs before it ended well may the uploader commit: a cut stream is no artifact.
        running.finish(job, 2, || gate_pipe.write_all(b"commit\n").map_err(|e| fail(&e)))?;
        let told = read_report(job, &report).map_err(|e| Failure::new(SpanKind::Upload.as_str(), e))?;
        job.recorder.fact(CLIENT, client(&told));
        Ok(Handed { ticket: Ticket::default().with("artifact", job.name), built: Built::Engine })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("artifact").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let report = job.logs.join("stream-download.json");
        let running = pipe::start(
            job,
            vec![
                Stage::new(SpanKind::Command, "handoff-stream-download", stream(job, "download", &report, None)?),
                Stage::new(
                    SpanKind::Decompress,
                    "zstd-d",
                    job.program(&job.tools.zstd, &DECOMPRESS[1..], &BTreeMap::new()),
                ),
                Stage::new(SpanKind::Load, "docker-load", job.engine.docker(["load"])),
            ],
        )?;
        running.finish(job, 3, || Ok(()))?;
        read_report(job, &report).map(|_| ()).map_err(|e| Failure::new(SpanKind::Download.as_str(), e))
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
);

const RECIPE: Recipe = Recipe {
    options: &[],
    not_here: &[],
    producer: &[
        Step::always(
            SpanKind::Command,
            "build-push-action",
            Does::Build { outputs: None, cache_to: None, cache_from: None },
        ),
        CLIENT_STEP,
        Step::always(
            SpanKind::Command,
            "docker save | zstd | upload",
            Does::Run(&[
                &["docker", "save", "{image}"],
                COMPRESS,
                &["gh-actions-artifact-client.js", "upload", "{name}"],
            ]),
        ),
    ],
    consumer: &[
        CLIENT_STEP,
        Step::always(
            SpanKind::Command,
            "download | zstd -d | docker load",
            Does::Run(&[&["gh-actions-artifact-client.js", "download", "{name}"], DECOMPRESS, &["docker", "load"]]),
        ),
    ],
    settle: Recipe::as_given,
    built: BuiltAt::Engine,
    consumer_is_cached: false,
};

fn client(report: &ClientReport) -> String {
    if report.client.name.is_empty() { "handoff".to_owned() } else { report.client.to_string() }
}

/// Our streaming client, as a process of its own, with the variables that an action gets.
fn stream(job: &Job, verb: &str, report: &Path, gate: Option<&Path>) -> StepResult<duct::Expression> {
    let text = |path: &Path| {
        let error = || Failure::new(SpanKind::Command.as_str(), format!("{} is not UTF-8", path.display()));
        path.to_str().map(str::to_owned).ok_or_else(error)
    };
    let mut args =
        vec!["stream".to_owned(), verb.to_owned(), job.name.to_owned(), "--report".to_owned(), text(report)?];
    if let Some(gate) = gate {
        args.extend(["--commit-gate".to_owned(), text(gate)?]);
    }
    Ok(job.program(&job.tools.handoff, args, &job.service.env))
}
