//! `relay`: push and pull through a registry on loopback whose storage is the artifact or cache service.
//!
//! Each job runs one end of it as a process of its own: the producer's takes what the builder pushes and sends it on as it
//! comes, the consumer's fetches by parallel ranges what the engine pulls. `relay/registry` is that registry.

use std::io::{BufRead, BufReader, Write, pipe};
use std::path::PathBuf;

use handoff_model::recipe::{BuiltAt, Step, StepKind, Unsupported, joined};
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
    /// The service that keeps the layers.
    pub enum Store {
        Artifact = "artifact",
        Cache = "cache",
    }
}

options! {
    /// The strategy.
    pub struct Relay {
        /// what keeps the layers: one artifact of the run, or cache entries that later runs find
        store: Store,
        /// of the layers that the builder pushes
        compression: Compression,
        /// zstd level of the layers that the builder pushes (0: the builder's own choice)
        level: u32 [0..=22] = 1,
        /// what pushes: the builder (output), `docker push` (push), or the builder where it can (auto)
        source: Source ["auto", "output", "push"] = Auto,
        /// requests in flight (0: as many as turn out to carry more)
        connections: u32 [0..=64] = 0,
        /// MiB of a block going up and of a range coming down
        part: u32 [1..=16] = 4,
    }
}

/// The level at which builders compress what they push: the fastest was measured to be worth more than the bytes that it
/// costs (docs/relay.md).
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
        // What a later build needs to know of this one travels in the image's config; only where there may be a later one.
        let to = self.looks_back(job).then_some("type=inline");
        let cached = |output| Build { cache_to: to, cache_from: from.as_deref(), ..Build::plain("build", output) };
        let source = match self.source {
            // What is built already can only be pushed.
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
        let end = end.ok_or_else(|| Failure::new(SpanKind::Resolve.as_str(), "the receiving end does not serve"))?;
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
    /// Whether images of earlier runs can be there.
    fn looks_back(&self, job: &Job) -> bool {
        job.commit.is_some() && self.store == Store::Cache
    }
}

/// Where the engine pushes what it has loaded.
const PUSHES: &[(&str, &str)] = &[("source", "push")];

/// What both of the sender's actions are told; the last ones are left out where they are the action's own defaults.
const SEND: [(&str, &str); 5] = joined(&[&[("image", "{image}")], RECEIVE]);
/// The same where the action builds.
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
const RECEIVE: &[(&str, &str)] =
    &[("name", "{name}"), ("store", "{store}"), ("connections", "{connections}"), ("part", "{part}")];

/// Both ends are actions of this repository: only an action gets the job's token.
const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[Unsupported::option(
        "store",
        "a cell removes what it has stored, and an entry by digest may be another cell's too",
    )],
    producer: &[
        steps::build(None, None, None).when(PUSHES),
        Step::always(SpanKind::Upload, "handoff/send", StepKind::Repository("send", &SEND)).when(PUSHES),
        Step::always(SpanKind::Command, "handoff/send (builds)", StepKind::Repository("send", SEND_BUILD))
            .when(&[("source", "output")]),
    ],
    consumer: &[Step::always(SpanKind::Download, "handoff/receive", StepKind::Repository("receive", RECEIVE))],
    client: Some("handoff-relay"),
    ..Recipe::EMPTY
};

/// `docker push` of an image that the engine has.
fn push(job: &Job, reference: &str) -> StepResult<()> {
    job.run(SpanKind::Command, "docker-tag", &job.engine.docker(["tag", job.image, reference]))?;
    job.run(SpanKind::Export, "docker-push", &job.engine.docker(["push", "--quiet", reference]))
}

/// One end, as a process of its own with the variables that an action gets.
struct End {
    registry: String,
    /// The image of an earlier run, where a sending end looked for one and there is one.
    earlier: Option<String>,
    words: std::io::PipeWriter,
    handle: duct::Handle,
    report: PathBuf,
    step: String,
}

impl End {
    /// Starts it. None: what it should send is there already.
    fn start(relay: &Relay, job: &Job, end: &str, name: &str) -> StepResult<Option<Self>> {
        let step = format!("relay-{end}");
        let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Resolve.as_str(), format!("{step}: {e}"));
        let report = job.logs.join(format!("{step}.json"));
        let path = report.to_str().ok_or_else(|| failure(&"the log folder is not UTF-8"))?;
        let looks = end == "sender" && relay.looks_back(job);
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
        let (input, words) = pipe().map_err(|e| failure(&e))?;
        let (said, output) = pipe().map_err(|e| failure(&e))?;
        let errors = log.try_clone().map_err(|e| failure(&e))?;
        let command = job.program(&job.tools.handoff, args, &job.service.env).unchecked();
        let start = job.recorder.now_ns();
        let handle = command.stdin_file(input).stdout_file(output).stderr_file(errors).start();
        let handle = handle.map_err(|e| failure(&e))?;
        let mut lines = BufReader::new(said).lines();
        let mut said = |word: &str| {
            let line = lines.next()?.ok()?;
            line.strip_prefix(word).map(str::to_owned)
        };
        let registry = said("registry=");
        let earlier = if looks && registry.is_some() { said("earlier=") } else { None };
        job.recorder.record(SpanKind::Resolve, &step, start, job.recorder.now_ns(), None);
        if let Some(registry) = registry {
            let earlier = earlier.filter(|reference| !reference.is_empty());
            return Ok(Some(Self { registry, earlier, words, handle, report, step }));
        }
        let ended = handle.wait().map_err(|e| failure(&e))?;
        // An end that has nothing to serve ends well only where an earlier run has sent this very image.
        if looks && ended.status.success() { Ok(None) } else { Err(failure(&tail(&mut log))) }
    }

    /// Completes a sending end.
    fn commit(mut self, job: &Job) -> StepResult<ClientReport> {
        let told = self.words.write_all(b"commit\n");
        told.map_err(|e| Failure::new(SpanKind::Upload.as_str(), format!("{}: {e}", self.step)))?;
        self.stop(job)
    }

    /// Waits for the end's end, and reads its report.
    fn stop(self, job: &Job) -> StepResult<ClientReport> {
        let Self { words, handle, report, step, .. } = self;
        drop(words);
        let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Upload.as_str(), format!("{step}: {e}"));
        let status = handle.wait().map_err(|e| failure(&e))?.status;
        if !status.success() {
            let mut log = job.log(&step)?;
            return Err(failure(&tail(&mut log)));
        }
        let told = read_report(job, &report).map_err(|e| failure(&e))?;
        job.recorder.fact(CLIENT, told.client.to_string());
        Ok(told)
    }

    /// The cause of a push or pull that failed, first. Where the end has broken, the engine only saw its answers; where the end
    /// was merely ended, it has nothing to add.
    fn attribute(self, job: &Job, failure: Failure) -> Failure {
        let report = self.report.clone();
        let Err(own) = self.stop(job) else { return failure };
        let abandoned = read_report(job, &report).is_ok_and(|report| report.abandoned);
        cause_first(failure, &own, abandoned)
    }
}

/// Joins what an engine or builder said with what the end said: the cause comes first.
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
    fn failed_build_is_the_cause_and_the_end_that_it_ended_is_left_out() {
        let build = || Failure::new("build", "build: [2/2] RUN false: exit code: 1");
        let ended =
            Failure::new("upload", "relay-sender: error: it was ended before the push was complete: nothing was sent");
        assert_eq!(cause_first(build(), &ended, true), build());
        let broken = Failure::new("upload", "relay-sender: error: the relay broke: the token is revoked");
        let both = cause_first(Failure::new("export", "docker-push: 502"), &broken, false);
        assert_eq!(both.error, "relay-sender: error: the relay broke: the token is revoked; docker-push: 502");
    }
}
