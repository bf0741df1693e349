//! A job's course: engine up, clock, one side, identity, engine down.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::disk::{self, Written};
use handoff_docker::{Engine, EngineConfig, EngineError, Programs, capture, identity, namespace};
use handoff_machine::{Sampler, disk_speed};
use handoff_model::environment::UNKNOWN;
use handoff_model::span::union_ns;
use handoff_model::{EngineKind, Failure, ImageIdentity, Role, Ticket};
use handoff_strategies::buildx::{Build, Output};
use handoff_strategies::{ImageLocation, Job, Recorder, ServiceAccess, Strategy};

use super::container;
use crate::protocol::{BUILDKIT_TAR, Command, EngineFacts, Event, Finished, JOB_DISK, JobSpec, PRIVATE_DISK};

/// Runs a job whose spec stands in a file. Returns when the runner says so; ends the process when the runner is gone.
pub fn run(spec: &Path) -> Result<(), EngineError> {
    let bytes = fs::read(spec).map_err(EngineError::io("read", spec))?;
    let spec: JobSpec =
        serde_json::from_slice(&bytes).map_err(|e| EngineError::Api(format!("{}: {e}", spec.display())))?;
    let commands = listen();
    match JobRun::start(&spec) {
        Ok(job_run) => job_run.obey(&commands),
        Err(error) => say(&Event::Broken(error.to_string())),
    }
    Ok(())
}

/// Reads the runner's lines in a thread. When the runner is gone the process ends at once, and the namespace with it.
fn listen() -> mpsc::Receiver<Command> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            // A runner that is gone, or that speaks another language: the job ends, and the runner's log says why.
            let Ok(line) = line else { break };
            let command = match serde_json::from_str::<Command>(&line) {
                Ok(command) => command,
                Err(error) => {
                    say(&Event::Broken(format!("the runner's line `{line}` does not read: {error}")));
                    break;
                }
            };
            if sender.send(command).is_err() {
                break;
            }
        }
        #[expect(
            clippy::exit,
            reason = "the first process of the namespace: its end is what takes all the others down"
        )]
        std::process::exit(2);
    });
    receiver
}

fn say(event: &Event) {
    match serde_json::to_string(event) {
        // A runner that is gone reads nothing; the listening thread ends the job.
        Ok(line) => {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        // Without an answer the runner would wait for its time limit. A text can always be written.
        Err(error) => say(&Event::Broken(format!("the job's answer cannot be written: {error}"))),
    }
}

struct JobRun<'a> {
    spec: &'a JobSpec,
    strategy: Box<dyn Strategy>,
    engine: Engine,
    recorder: Recorder,
    built: Option<ImageLocation>,
    boot_ns: u64,
    disk: String,
    written: Option<Written>,
}

impl<'a> JobRun<'a> {
    fn start(spec: &'a JobSpec) -> Result<Self, EngineError> {
        if !namespace::is_first_process() {
            return Err(EngineError::NotRoot);
        }
        let strategy = handoff_strategies::find(&spec.strategy).map_err(|e| EngineError::Api(e.to_string()))?;
        let programs = Programs::find()?;
        let mut disk = "a folder".to_owned();
        if spec.conditions.engine == EngineKind::Private {
            // The user's socket is in the machine's; only daemons of ours would leave something there.
            namespace::own_run_folder(&spec.root)?;
            disk = match spec
                .private_disk
                .then(|| disk::mount_own(&programs, &spec.root.join("disk.img"), &spec.disk()))
            {
                Some(Ok(())) => PRIVATE_DISK.to_owned(),
                Some(Err(why)) => format!("a folder ({why})"),
                None => disk,
            };
        }
        for dir in [spec.disk().join("work"), spec.logs.clone()] {
            fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EngineError::io("start", "the API client's runtime"))?;
        let config = EngineConfig {
            root: spec.disk().join("e"),
            job: spec.job.clone(),
            store: spec.conditions.image_store,
            kind: spec.conditions.engine,
            host_daemon: spec.host_daemon.clone(),
        };
        let started = Instant::now();
        let engine = Engine::start(&programs, &config, &runtime)?;
        let boot_ns = started.elapsed().as_nanos() as u64;
        if let Some(image) = &spec.buildkit {
            engine.provide_buildkit(image)?;
        }
        let job_run =
            Self { spec, strategy, engine, recorder: Recorder::start(), built: None, boot_ns, disk, written: None };
        job_run.take_given()?;
        say(&Event::Ready(job_run.facts(&runtime)?));
        Ok(job_run)
    }

    fn facts(&self, runtime: &tokio::runtime::Runtime) -> Result<EngineFacts, EngineError> {
        let api = self.engine.api()?;
        let info = runtime.block_on(api.info())?;
        let mut facts = EngineFacts { boot_ns: self.boot_ns, ..EngineFacts::default() };
        let status = info.driver_status.map(|s| s.into_iter().flatten().collect::<Vec<_>>().join(" "));
        for (name, value) in
            [("engine", info.server_version), ("storage driver", info.driver), ("storage driver status", status)]
        {
            facts.versions.insert(name.to_owned(), value.unwrap_or_else(|| UNKNOWN.to_owned()));
        }
        // Some distributions build their engine without a BuildKit version: then it says so itself.
        let builder = self.engine.docker(["buildx", "inspect"]).stderr_null().unchecked().read();
        let builder = builder.map_err(EngineError::io("run", "docker buildx inspect"))?;
        let buildkit = builder.lines().find_map(|l| l.strip_prefix("BuildKit version:")).map_or(UNKNOWN, str::trim);
        facts.versions.insert("buildkit".to_owned(), buildkit.to_owned());
        facts.versions.insert(JOB_DISK.to_owned(), self.disk.clone());
        Ok(facts)
    }

    fn obey(mut self, commands: &mpsc::Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            match command {
                Command::Start => say(&Event::Finished(Box::new(self.run_role()))),
                // What cannot be read any more is empty, as where there never was a disk of its own.
                Command::WriteBack => say(&Event::WrittenBack(self.written.as_ref().and_then(Written::bytes))),
                Command::Identify => say(&Event::Identified(self.identify())),
                Command::TryBuilder(image) => {
                    let facts = self.try_builder(&image).map_err(|e| Failure::new("builder", e));
                    say(&Event::Builder(facts));
                }
                Command::MeasureDisk => {
                    let speed = disk_speed::measure(&self.spec.disk(), disk_speed::Limits::default());
                    say(&Event::Disk(speed));
                }
                Command::Stop => break,
            }
        }
        // The daemons' logs are kept with the trial's, for people: one that is not there breaks no trial.
        for log in self.engine.stop() {
            if let Some(name) = log.file_name() {
                let _ = fs::copy(&log, self.spec.logs.join(name));
            }
        }
    }

    fn with_job<T>(&self, work: impl FnOnce(&Job) -> T) -> T {
        let spec = self.spec;
        let service = ServiceAccess { env: spec.service_env.clone() };
        work(&Job {
            engine: &self.engine,
            recorder: &self.recorder,
            service: &service,
            tools: &spec.tools,
            name: &spec.name,
            commit: spec.commit.as_deref(),
            image: &spec.image,
            sources: &spec.sources,
            others: &spec.others,
            scratch: &spec.disk().join("work"),
            logs: &spec.logs,
            conditions: &spec.conditions,
        })
    }

    fn run_role(&mut self) -> Finished {
        if self.spec.role == Role::Producer {
            // The engine's boot and the builder's image are on the disk before the clock starts.
            self.written = Written::start(&self.spec.disk());
        }
        let counters = Sampler::start(self.spec.disk());
        self.recorder = Recorder::start();
        let (result, wall_ns) = match self.spec.role {
            Role::Producer => self.with_job(|job| (self.strategy.produce(job).map(Some), job.recorder.now_ns())),
            Role::Consumer => self.with_job(|job| {
                let ticket = self.spec.ticket.clone().unwrap_or_default();
                let arrived = self.strategy.consume(job, &ticket);
                match arrived.and_then(|()| container::first_answer(job, self.spec)) {
                    Ok(at) => (Ok(None), at),
                    Err(failure) => (Err(failure), job.recorder.now_ns()),
                }
            }),
        };
        let mut usage = counters.finish();
        if self.engine.kind() != EngineKind::Private {
            // The engine's processes and data are not the job's: a part of the truth would mislead.
            (usage.cpu_ns, usage.peak_memory_bytes, usage.peak_disk_bytes) = (None, None, None);
        }
        let spans = self.recorder.spans();
        let covered = union_ns(spans.iter().map(|s| (s.start_ns.min(wall_ns), s.end_ns.min(wall_ns))));
        usage.harness_wall_ns = Some(wall_ns.saturating_sub(covered));
        let facts = self.recorder.facts().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let (failure, ticket, built) = match result {
            Ok(Some(handed)) => (None, handed.ticket, Some(handed.built)),
            Ok(None) => (None, Ticket::default(), None),
            Err(failure) => (Some(failure), Ticket::default(), None),
        };
        let (steps, built_earlier) = (self.recorder.steps(), built == Some(ImageLocation::WarmUp));
        self.built = built;
        Finished { failure, wall_ns, spans, usage, facts, steps, built_earlier, ticket }
    }

    fn identify(&self) -> Result<ImageIdentity, Failure> {
        let failure = |e: EngineError| Failure::new("identity", e);
        let image = &self.spec.image;
        let known = match (self.spec.role, &self.built) {
            (Role::Producer, Some(ImageLocation::Tar(path))) => identity::of_tar(path).map_err(failure),
            (Role::Producer, Some(ImageLocation::Engine)) => self.engine.identity(image).map_err(failure),
            (Role::Producer, Some(ImageLocation::Known(identity))) => Ok(identity.clone()),
            (Role::Producer, Some(ImageLocation::BuilderCache)) => {
                // Nothing was exported but a cache. The image of that very build is in the builder's cache: load it from there.
                self.with_job(|job| Build::plain("identify", Output::Load).run_cached(job))?;
                self.engine.identity(image).map_err(failure)
            }
            (Role::Producer, Some(ImageLocation::CachedTar(layers))) => {
                let path = self.identify_tar();
                self.with_job(|job| Build::plain("identify", Output::Tar(&path, *layers)).run_cached(job))?;
                identity::of_tar(&path).map_err(failure)
            }
            (Role::Producer, Some(ImageLocation::WarmUp)) => {
                Err(Failure::new("identity", "the image is an earlier run's: there is none here to look at"))
            }
            (Role::Producer, None) => Err(Failure::new("identity", "the producer left no image to look at")),
            (Role::Consumer, _) => {
                return self.with_content(self.engine.identity(image).map_err(failure)?);
            }
        }?;
        if self.spec.probe.is_none() {
            return Ok(known);
        }
        // What is in an image of the user's own is known only from the image itself.
        if let Some(ImageLocation::Tar(path)) = &self.built {
            self.load(path).map_err(failure)?;
        } else if let Some(ImageLocation::CachedTar(_)) = &self.built {
            self.load(&self.identify_tar()).map_err(failure)?;
        } else if let (Some(ImageLocation::Known(_)), false) = (&self.built, self.spec.sources.built) {
            self.with_job(|job| Build::plain("identify", Output::Load).run_cached(job))?;
        }
        self.with_content(known)
    }

    fn with_content(&self, known: ImageIdentity) -> Result<ImageIdentity, Failure> {
        let (content, tree_bytes) = self.with_job(|job| container::content_digest(job, self.spec))?;
        Ok(ImageIdentity { content: Some(content), tree_bytes, ..known })
    }

    fn identify_tar(&self) -> PathBuf {
        self.spec.disk().join("identify").join("image.tar")
    }

    /// Reads a tar into the engine; what the engine calls the image.
    fn load(&self, tar: &Path) -> Result<String, EngineError> {
        let words = ["load".as_ref(), "--quiet".as_ref(), "--input".as_ref(), tar.as_os_str()];
        let text = capture(&self.engine.docker(words), "docker load")?.map_err(EngineError::Api)?;
        // `Loaded image: NAME`, or `Loaded image ID: sha256:...`.
        let name = text.lines().rev().find_map(|l| l.split_once(": ")).map(|(_, name)| name.trim().to_owned());
        name.ok_or_else(|| EngineError::Api(format!("docker load named no image: {text}")))
    }

    /// Puts an image that was given into the engine, off the clock.
    fn take_given(&self) -> Result<(), EngineError> {
        let Some(tar) = &self.spec.given else { return Ok(()) };
        let name = self.load(tar)?;
        let tagged = capture(&self.engine.docker(["tag", &name, &self.spec.image]), "docker tag")?;
        tagged.map(drop).map_err(EngineError::Api)
    }

    /// Boots a builder where there is no trial. A pulled image is saved, so that no trial has to pull it again.
    fn try_builder(&self, image: &BuildkitImage) -> Result<BTreeMap<String, String>, EngineError> {
        self.engine.provide_buildkit(image)?;
        if image.tar.is_none() && self.engine.kind() != EngineKind::Host {
            self.engine.save_buildkit(image, &self.spec.root.join(BUILDKIT_TAR))?;
        }
        self.engine.try_builder()
    }
}
