//! `relay`: push and pull through a registry on loopback that stores layers in the artifact or cache service.
//!
//! Each job runs one registry as a separate process. The sender uploads layers while the builder pushes them; the receiver
//! downloads layers by parallel ranges while the engine pulls them. `relay/registry` is that registry.

use std::io::{BufRead, BufReader, Write, pipe};
use std::path::PathBuf;

use handoff_model::recipe::{BuiltAt, Step, StepKind, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    Conditions, Failure, ImageIdentity, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket, Transfer,
};

use crate::buildx::{Build, Compression, Output};
use crate::clients::{self, ClientReport, read_report};
use crate::job::tail;
use crate::options::{facts_and_recipe, options, words};
use crate::recorder::{CLIENT, SOURCE};
use crate::{ImageLocation, Job, ProducerOutput, Source, StepResult, Strategy, cache, steps};

words! {
    /// Service that stores the layers.
    pub enum Store {
        Artifact = "artifact",
        Cache = "cache",
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
    }
}

/// Default zstd level of pushed layers. The fastest level saves more time than its additional bytes cost (docs/findings.md).
pub const PUSH_LEVEL: u32 = Relay::DEFAULT.level;

const FACTS: StrategyFacts = StrategyFacts {
    name: "relay",
    summary: "push to a registry on loopback that stores layers as an artifact while they come; pull from one that fetches by ranges",
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

    fn resolve_defaults(&mut self, conditions: &Conditions) {
        self.source = self.source.resolved(conditions, Source::Push);
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let ticket = Ticket::default().with("relay", job.key());
        let Some(end) = End::start(self, job, "sender", &job.key())? else {
            return Ok(ProducerOutput { ticket, built: ImageLocation::WarmUp });
        };
        let reference = format!("{}/{}", end.registry, job.image);
        let from = end.earlier.as_ref().map(|image| format!("type=registry,ref={image},registry.insecure=true"));
        // The image's config carries the cache for later builds, if there can be any.
        let to = self.finds_earlier(job).then_some("type=inline");
        let cached = |output| Build { cache_to: to, cache_from: from.as_deref(), ..Build::plain("build", output) };
        let source = match self.source {
            // A finished image can only be pushed.
            Source::Auto if job.sources.built => Source::Push,
            source => source.resolved(job.conditions, Source::Push),
        };
        job.recorder.fact(SOURCE, source.as_str());
        let pushed = if source == Source::Output {
            cached(Output::Push { reference: &reference, compression: self.compression, level: self.level })
                .run(job)
                .map(|_| ())
        } else {
            let built = if job.sources.built { Ok(()) } else { cached(Output::Load).run(job).map(|_| ()) };
            built.and_then(|()| push(job, &reference))
        };
        if let Err(failure) = pushed {
            return Err(end.attribute(job, failure));
        }
        let ClientReport { index, config, layers, .. } = end.commit(job)?;
        let identity = ImageIdentity { index, config, layers, ..ImageIdentity::default() };
        Ok(ProducerOutput { ticket, built: ImageLocation::Known(identity) })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let name = ticket.get("relay").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let end = End::start(self, job, "receiver", name)?;
        let end = end.ok_or_else(|| {
            Failure::new(SpanKind::Resolve.as_str(), "the relay receiver ended before it served the image")
        })?;
        let reference = format!("{}/{}", end.registry, job.image);
        let docker = |args: &[&str]| job.engine.docker(args.iter().copied());
        if let Err(failure) = job.run(SpanKind::Load, "docker-pull", &docker(&["pull", "--quiet", &reference])) {
            return Err(end.attribute(job, failure));
        }
        job.run(SpanKind::Command, "docker-tag", &docker(&["tag", &reference, job.image]))?;
        end.stop(job).map(|_| ())
    }

    fn built_at(&self) -> BuiltAt {
        BuiltAt::Pushed
    }
}

impl Relay {
    /// Whether images of earlier runs may exist.
    fn finds_earlier(&self, job: &Job) -> bool {
        job.commit.is_some() && self.store == Store::Cache
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
    ("store", "{store}"),
    ("connections", "{connections}"),
    ("part", "{part}"),
];
/// Inputs of the action that receives an image. The digest is the sender's output, because any job of a run can write
/// artifacts.
const RECEIVE: &[(&str, &str)] = &[
    ("name", "{name}"),
    ("digest", "{digest}"),
    ("store", "{store}"),
    ("connections", "{connections}"),
    ("part", "{part}"),
];

/// Recipe with this repository's actions, because only an action gets the job's token.
const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[Unsupported::option(
        "store",
        "a cell removes its entries, and another cell may share an entry by digest",
    )],
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

/// Pushes an image of the engine by `docker push`.
fn push(job: &Job, reference: &str) -> StepResult<()> {
    job.run(SpanKind::Command, "docker-tag", &job.engine.docker(["tag", job.image, reference]))?;
    job.run(SpanKind::Export, "docker-push", &job.engine.docker(["push", "--quiet", reference]))
}

/// Process of a sender or receiver, with the variables of an action.
struct End {
    registry: String,
    /// Image of an earlier run that a sender has found.
    earlier: Option<String>,
    input: std::io::PipeWriter,
    handle: duct::Handle,
    report: PathBuf,
    step: String,
}

impl End {
    /// Starts the process. None if an earlier run has already sent this image.
    fn start(relay: &Relay, job: &Job, end: &str, name: &str) -> StepResult<Option<Self>> {
        let step = format!("relay-{end}");
        let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Resolve.as_str(), format!("{step}: {e}"));
        let report = job.logs.join(format!("{step}.json"));
        let path = report.to_str().ok_or_else(|| failure(&"the log folder is not UTF-8"))?;
        let looks = end == "sender" && relay.finds_earlier(job);
        let (connections, part, earlier) =
            (relay.connections.to_string(), relay.part.to_string(), format!("{}-", job.name));
        let mut args =
            vec!["relay", end, "--name", name, "--store", relay.store.as_str(), "--report", path, "--part", &part];
        if relay.connections > 0 {
            args.extend(["--connections", &connections]);
        }
        if looks {
            args.extend(["--earlier", &earlier]);
        }
        let mut log = job.log(&step)?;
        let (stdin, input) = pipe().map_err(|e| failure(&e))?;
        let (output, stdout) = pipe().map_err(|e| failure(&e))?;
        let errors = log.try_clone().map_err(|e| failure(&e))?;
        let command = job.program(&job.tools.handoff, args, job.service_env).unchecked();
        let start = job.recorder.now_ns();
        let handle = command.stdin_file(stdin).stdout_file(stdout).stderr_file(errors).start();
        let handle = handle.map_err(|e| failure(&e))?;
        let mut lines = BufReader::new(output).lines();
        let mut value = |key: &str| {
            let line = lines.next()?.ok()?;
            line.strip_prefix(key).map(str::to_owned)
        };
        let registry = value("registry=");
        let earlier = if looks && registry.is_some() { value("earlier=") } else { None };
        job.recorder.record(SpanKind::Resolve, &step, start, job.recorder.now_ns(), None);
        if let Some(registry) = registry {
            let earlier = earlier.filter(|reference| !reference.is_empty());
            return Ok(Some(Self { registry, earlier, input, handle, report, step }));
        }
        let ended = handle.wait().map_err(|e| failure(&e))?;
        // A sender without a registry succeeds only if an earlier run has sent this image.
        if looks && ended.status.success() { Ok(None) } else { Err(failure(&tail(&mut log))) }
    }

    /// Commits a sender's image and waits for the end of the process.
    fn commit(mut self, job: &Job) -> StepResult<ClientReport> {
        let written = self.input.write_all(b"commit\n");
        written.map_err(|e| Failure::new(SpanKind::Upload.as_str(), format!("{}: {e}", self.step)))?;
        self.stop(job)
    }

    /// Closes the process's input, waits for its end, and reads its report.
    fn stop(self, job: &Job) -> StepResult<ClientReport> {
        let Self { input, handle, report, step, .. } = self;
        drop(input);
        let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Upload.as_str(), format!("{step}: {e}"));
        let status = handle.wait().map_err(|e| failure(&e))?.status;
        if !status.success() {
            let mut log = job.log(&step)?;
            return Err(failure(&tail(&mut log)));
        }
        let report = read_report(job, &report).map_err(|e| failure(&e))?;
        job.recorder.fact(CLIENT, report.client.to_string());
        Ok(report)
    }

    /// Adds the error of the sender or receiver to a failed push or pull, unless the process was only abandoned.
    fn attribute(self, job: &Job, failure: Failure) -> Failure {
        let report = self.report.clone();
        let Err(end_failure) = self.stop(job) else { return failure };
        let abandoned = read_report(job, &report).is_ok_and(|report| report.abandoned);
        cause_first(failure, &end_failure, abandoned)
    }
}

/// Joins the failure of an engine or builder with that of the sender or receiver, which is the cause.
fn cause_first(failure: Failure, end: &Failure, abandoned: bool) -> Failure {
    if abandoned {
        return failure;
    }
    Failure::new(&failure.span, format!("{}; {}", end.error, failure.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_build_is_the_cause_of_an_abandoned_sender() {
        let build = || Failure::new("build", "build: [2/2] RUN false: exit code: 1");
        let ended =
            Failure::new("upload", "relay-sender: error: it was ended before the push was complete: nothing was sent");
        assert_eq!(cause_first(build(), &ended, true), build());
        let broken = Failure::new("upload", "relay-sender: error: the relay broke: the token is revoked");
        let both = cause_first(Failure::new("export", "docker-push: 502"), &broken, false);
        assert_eq!(both.error, "relay-sender: error: the relay broke: the token is revoked; docker-push: 502");
    }
}
