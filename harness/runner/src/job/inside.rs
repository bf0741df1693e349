//! Sequence of a job: start the engine, run one role on the clock, identify the image, stop the engine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use handoff_docker::builder::buildkit_version;
use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::command;
use handoff_docker::disk::{self, WriteCounter};
use handoff_docker::{Engine, EngineConfig, EngineError, Programs, capture, identity, namespace, runtime};
use handoff_docker::{disk_check, disk_limit};
use handoff_machine::{Sampler, disk_speed};
use handoff_model::environment::UNKNOWN;
use handoff_model::span::union_ns;
use handoff_model::{DiskMeasurement, EngineKind, Failure, ImageIdentity, Role, Ticket};
use handoff_strategies::buildx::{Build, Output};
use handoff_strategies::{ImageLocation, Job, Recorder, Strategy};

use super::container;
use crate::protocol::{BUILDKIT_TAR, EngineFacts, Event, Finished, JOB_DISK, JobSpec, PRIVATE_DISK, Request};

/// Runs the job of a spec file until the runner stops it. Ends the process when the runner is gone.
///
/// # Errors
/// The spec cannot be read. Later failures are events.
pub fn run(spec: &Path) -> Result<(), EngineError> {
    let bytes = fs::read(spec).map_err(EngineError::io("read", spec))?;
    let spec: JobSpec =
        serde_json::from_slice(&bytes).map_err(|e| EngineError::Api(format!("{}: {e}", spec.display())))?;
    let requests = listen();
    match JobRun::start(&spec) {
        Ok(job_run) => job_run.serve(&requests),
        Err(error) => send(&Event::Broken(error.to_string())),
    }
    Ok(())
}

/// Reads the runner's requests in a thread. The end of the input ends the process, and thereby the namespace.
fn listen() -> mpsc::Receiver<Request> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            // The job ends when the runner is gone or sends an unknown request.
            let Ok(line) = line else { break };
            let request = match serde_json::from_str::<Request>(&line) {
                Ok(request) => request,
                Err(error) => {
                    send(&Event::Broken(format!("cannot read the runner's request `{line}`: {error}")));
                    break;
                }
            };
            if sender.send(request).is_err() {
                break;
            }
        }
        #[expect(clippy::exit, reason = "the end of the namespace's first process ends all others")]
        std::process::exit(2);
    });
    receiver
}

fn send(event: &Event) {
    match serde_json::to_string(event) {
        // Without a runner, the listening thread ends the job.
        Ok(line) => {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        // Without an answer the runner would wait until its timeout. A text can always be written.
        Err(error) => send(&Event::Broken(format!("cannot write the job's answer: {error}"))),
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
    write_counter: Option<WriteCounter>,
}

impl<'a> JobRun<'a> {
    fn start(spec: &'a JobSpec) -> Result<Self, EngineError> {
        if !namespace::is_first_process() {
            return Err(EngineError::NotRoot);
        }
        let strategy = handoff_strategies::find(&spec.strategy).map_err(|e| EngineError::Api(e.to_string()))?;
        let programs = Programs::of_version(spec.conditions.engine_version)?;
        let mut disk = "a folder".to_owned();
        if spec.conditions.engine == EngineKind::Private {
            // Other kinds need the user's socket in the machine's `/run`.
            namespace::mount_private_run(&spec.root)?;
            if strategy.switches_store() {
                namespace::mount_private_relay_state(&spec.root)?;
            }
            if spec.private_disk {
                disk = match disk::mount_private(&programs, &spec.root.join("disk.img"), &spec.disk()) {
                    Ok(()) => PRIVATE_DISK.to_owned(),
                    Err(error) => format!("a folder ({error})"),
                };
            }
        }
        disk_limit::apply(spec.conditions.disk_limit, &spec.disk(), &spec.job, &spec.root)?;
        for dir in [spec.disk().join("work"), spec.logs.clone()] {
            fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
        }
        let runtime = runtime()?;
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
        let recorder = Recorder::start();
        let job_run = Self { spec, strategy, engine, recorder, built: None, boot_ns, disk, write_counter: None };
        job_run.load_finished_image()?;
        send(&Event::Ready(job_run.facts(&runtime)?));
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
        let inspect = "docker buildx inspect";
        let inspected =
            command::run(&self.engine.docker(["buildx", "inspect"])).map_err(EngineError::io("run", inspect))?;
        facts.versions.insert("buildkit".to_owned(), buildkit_version(&inspected.stdout));
        facts.versions.insert(JOB_DISK.to_owned(), self.disk.clone());
        Ok(facts)
    }

    fn serve(mut self, requests: &mpsc::Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            send(&match request {
                Request::Start => Event::Finished(Box::new(self.run_role())),
                Request::WriteBack => Event::WrittenBack(self.write_counter.as_ref().and_then(WriteCounter::bytes)),
                Request::Identify => Event::Identified(self.identify()),
                Request::TryBuilder(image) => {
                    Event::Builder(self.try_builder(&image).map_err(|e| Failure::new("builder", e)))
                }
                // The speed is the machine's: the limit is a condition.
                Request::MeasureDisk => Event::Disk(match disk_limit::remove(&self.spec.root) {
                    Ok(()) => disk_speed::measure(&self.spec.disk(), disk_speed::Limits::default()),
                    Err(error) => DiskMeasurement::not_measured(error),
                }),
                Request::CheckDisk => Event::CheckedDisk(
                    disk_check::measure(&self.spec.disk(), self.spec.conditions.disk_limit)
                        .map_err(|e| Failure::new("disk", e)),
                ),
                Request::Stop => break,
            });
        }
        // Logs of daemons are for people: a missing one fails no trial.
        for log in self.engine.stop() {
            if let Some(name) = log.file_name() {
                let _ = fs::copy(&log, self.spec.logs.join(name));
            }
        }
        // The loop device is free for others once this process ends. The runner removes a limit that is left, and reports the error.
        let _ = disk_limit::remove(&self.spec.root);
    }

    fn with_job<T>(&self, work: impl FnOnce(&Job) -> T) -> T {
        let spec = self.spec;
        work(&Job {
            engine: &self.engine,
            recorder: &self.recorder,
            service_env: &spec.service_env,
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
            // The counter excludes the engine's boot and the builder's image.
            self.write_counter = WriteCounter::start(&self.spec.disk());
        }
        let counters = Sampler::start(self.spec.disk());
        self.recorder = Recorder::start();
        let (result, wall_ns) = match self.spec.role {
            Role::Producer => self.with_job(|job| (self.strategy.produce(job).map(Some), job.recorder.now_ns())),
            Role::Consumer => self.with_job(|job| {
                let ticket = self.spec.ticket.clone().unwrap_or_default();
                let consumed = self.strategy.consume(job, &ticket);
                match consumed.and_then(|()| container::first_answer(job, self.spec)) {
                    Ok(at) => (Ok(None), at),
                    Err(failure) => (Err(failure), job.recorder.now_ns()),
                }
            }),
        };
        let mut usage = counters.finish();
        if self.engine.kind() != EngineKind::Private {
            // The engine's processes and data are outside of the job, so that its own counters would mislead.
            (usage.cpu_ns, usage.peak_memory_bytes, usage.peak_disk_bytes) = (None, None, None);
        }
        let spans = self.recorder.spans();
        let covered = union_ns(spans.iter().map(|s| (s.start_ns.min(wall_ns), s.end_ns.min(wall_ns))));
        usage.harness_wall_ns = Some(wall_ns.saturating_sub(covered));
        let facts = self.recorder.facts().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let (failure, ticket, built) = match result {
            Ok(Some(output)) => (None, output.ticket, Some(output.built)),
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
                // The producer exported only a cache: load the image from the builder's cache.
                self.with_job(|job| Build::plain("identify", Output::Load).run_cached(job))?;
                self.engine.identity(image).map_err(failure)
            }
            (Role::Producer, Some(ImageLocation::CachedTar(layers))) => {
                let path = self.identify_tar();
                self.with_job(|job| Build::plain("identify", Output::Tar(&path, *layers)).run_cached(job))?;
                identity::of_tar(&path).map_err(failure)
            }
            (Role::Producer, Some(ImageLocation::WarmUp)) => {
                Err(Failure::new("identity", "the image is that of a warm-up: this job has none to identify"))
            }
            (Role::Producer, None) => Err(Failure::new("identity", "the producer left no image to identify")),
            (Role::Consumer, _) => {
                return self.with_content(self.engine.identity(image).map_err(failure)?);
            }
        }?;
        if self.spec.probe.is_none() {
            return Ok(known);
        }
        // The content of the user's image is not known beforehand.
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

    /// Loads a tar into the engine. Returns the image's name or id.
    fn load(&self, tar: &Path) -> Result<String, EngineError> {
        let args = ["load".as_ref(), "--quiet".as_ref(), "--input".as_ref(), tar.as_os_str()];
        let text = capture(&self.engine.docker(args), "docker load")?;
        // Either `Loaded image: NAME`, or `Loaded image ID: sha256:...`.
        let name = text.lines().rev().find_map(|l| l.split_once(": ")).map(|(_, name)| name.trim().to_owned());
        name.ok_or_else(|| EngineError::Api(format!("docker load named no image: {text}")))
    }

    /// Loads an image that the user has built into the engine, off the clock.
    fn load_finished_image(&self) -> Result<(), EngineError> {
        let Some(tar) = &self.spec.image_tar else { return Ok(()) };
        let name = self.load(tar)?;
        capture(&self.engine.docker(["tag", &name, &self.spec.image]), "docker tag").map(drop)
    }

    /// Boots a builder outside of trials. A pulled image is saved, so that no trial pulls it again.
    fn try_builder(&self, image: &BuildkitImage) -> Result<BTreeMap<String, String>, EngineError> {
        self.engine.provide_buildkit(image)?;
        if image.tar.is_none() && self.engine.kind() != EngineKind::Host {
            self.engine.save_buildkit(image, &self.spec.root.join(BUILDKIT_TAR))?;
        }
        self.engine.try_builder()
    }
}
