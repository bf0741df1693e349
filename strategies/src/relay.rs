//! `relay`: push and pull through a registry on loopback whose storage is the artifact or cache service.
//!
//! Each job runs one end of it as a process of its own: the producer's takes what the builder pushes and sends it on as it
//! comes, the consumer's fetches by parallel ranges what the engine pulls. `harness/relay` is that registry.

use std::io::{BufRead, BufReader, Write, pipe};
use std::path::PathBuf;

use handoff_model::{
    Builder, Conditions, Failure, ImageIdentity, ImageStore, OptionKind, OptionSpec, SpanKind, Storage, StrategyFacts,
    Ticket,
};

use crate::buildx::{Build, Output};
use crate::clients::{ClientReport, read_report};
use crate::job::tail;
use crate::recorder::{CLIENT, SOURCE};
use crate::{Built, Handed, Job, StepResult, Strategy, tar};

/// The strategy.
pub struct Relay;

const FACTS: StrategyFacts = StrategyFacts {
    name: "relay",
    summary: "push to a registry on loopback that stores layers as an artifact while they come; pull from one that fetches by ranges",
    storage: Storage::Artifact,
    moves_image: true,
    has_producer: true,
    options: &[
        OptionSpec {
            name: "store",
            kind: OptionKind::Word(&["artifact", "cache"]),
            default: "artifact",
            help: "what keeps the layers: one artifact of the run, or cache entries that later runs find",
        },
        OptionSpec {
            name: "compression",
            kind: OptionKind::Word(&["zstd", "gzip", "uncompressed"]),
            default: "zstd",
            help: "of the layers that the builder pushes",
        },
        OptionSpec {
            name: "source",
            kind: OptionKind::Word(&["auto", "output", "push"]),
            default: "auto",
            help: "what pushes: the builder (output), `docker push` (push), or the builder where it can (auto)",
        },
        OptionSpec {
            name: "connections",
            kind: OptionKind::Number(0, 64),
            default: "0",
            help: "requests in flight (0: as many as turn out to carry more)",
        },
    ],
};

/// Whether the builder can push layers of its own: the engine's own builder only where the containerd store keeps blobs.
fn builder_pushes(conditions: &Conditions) -> bool {
    conditions.builder == Builder::DockerContainer || conditions.image_store == ImageStore::Containerd
}

impl Strategy for Relay {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let end = End::start(job, "intake")?;
        let reference = format!("{}/{}", end.registry, job.image);
        let source = match job.option(&FACTS, "source").as_str() {
            // What is built already can only be pushed.
            "auto" if builder_pushes(job.conditions) && !job.sources.built => "output".to_owned(),
            "auto" => "push".to_owned(),
            named => named.to_owned(),
        };
        job.recorder.fact(SOURCE, source.clone());
        let pushed = if source == "output" {
            let compression = job.option(&FACTS, "compression");
            Build::plain("build", Output::Push { reference: &reference, compression: &compression })
                .run(job)
                .map(|_| ())
        } else {
            tar::in_engine(job)?;
            push(job, &reference)
        };
        if let Err(failure) = pushed {
            return Err(end.blame(job, failure));
        }
        let report = end.commit(job)?;
        let identity = ImageIdentity {
            index: report.index.clone(),
            config: report.config.clone(),
            layers: report.layers.clone(),
            ..ImageIdentity::default()
        };
        Ok(Handed { ticket: Ticket::default().with("relay", job.name), built: Built::Known(identity) })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        ticket.get("relay").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let end = End::start(job, "outlet")?;
        let reference = format!("{}/{}", end.registry, job.image);
        let docker = |args: &[&str]| job.engine.docker(args.iter().copied());
        if let Err(failure) = job.run(SpanKind::Load, "docker-pull", &docker(&["pull", "--quiet", &reference])) {
            return Err(end.blame(job, failure));
        }
        job.run(SpanKind::Command, "docker-tag", &docker(&["tag", &reference, job.image]))?;
        end.stop(job).map(|_| ())
    }
}

/// `docker push` of an image that the engine has.
fn push(job: &Job, reference: &str) -> StepResult<()> {
    job.run(SpanKind::Command, "docker-tag", &job.engine.docker(["tag", job.image, reference]))?;
    job.run(SpanKind::Export, "docker-push", &job.engine.docker(["push", "--quiet", reference]))
}

/// One end, as a process of its own with the variables that an action gets.
struct End {
    registry: String,
    words: std::io::PipeWriter,
    handle: duct::Handle,
    report: PathBuf,
    step: String,
}

impl End {
    fn start(job: &Job, end: &str) -> StepResult<Self> {
        let step = format!("relay-{end}");
        let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Resolve.as_str(), format!("{step}: {e}"));
        let report = job.logs.join(format!("{step}.json"));
        let mut args = vec!["relay".to_owned(), end.to_owned(), "--name".to_owned(), job.name.to_owned()];
        args.extend(["--store".to_owned(), job.option(&FACTS, "store"), "--report".to_owned()]);
        args.push(report.to_str().ok_or_else(|| failure(&"the log folder is not UTF-8"))?.to_owned());
        let connections = job.option(&FACTS, "connections");
        if connections != "0" {
            args.extend(["--connections".to_owned(), connections]);
        }
        let mut log = job.log(&step)?;
        let (input, words) = pipe().map_err(|e| failure(&e))?;
        let (said, output) = pipe().map_err(|e| failure(&e))?;
        let errors = log.try_clone().map_err(|e| failure(&e))?;
        let command = job.program(&job.tools.handoff, args, &job.service.env).unchecked();
        let start = job.recorder.now_ns();
        let handle = command.stdin_file(input).stdout_file(output).stderr_file(errors).start();
        let handle = handle.map_err(|e| failure(&e))?;
        let mut line = String::new();
        let read = BufReader::new(said).read_line(&mut line);
        job.recorder.record(SpanKind::Resolve, &step, start, job.recorder.now_ns(), None);
        let registry = line.trim().strip_prefix("registry=").map(str::to_owned);
        match (read, registry) {
            (Ok(_), Some(registry)) => Ok(Self { registry, words, handle, report, step }),
            (Err(e), _) => Err(failure(&e)),
            (Ok(_), None) => {
                let _ = handle.wait();
                Err(failure(&tail(&mut log)))
            }
        }
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

    /// A push or pull that failed: the end knows more of why than the engine says.
    fn blame(self, job: &Job, failure: Failure) -> Failure {
        match self.stop(job) {
            Err(own) => Failure::new(&failure.span, format!("{}; {}", own.error, failure.error)),
            Ok(_) => failure,
        }
    }
}
