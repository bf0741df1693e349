//! The jobs of a trial: one, or several at once, from their fresh engines to their ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::leftovers;
use handoff_docker::user::OwnedResources;
use handoff_fixtures::{ImageSource, PROBE_PATH, probe_bytes};
use handoff_model::Counters;
use handoff_model::{Builder, ImageIdentity, Outcome, Role, Ticket};
use handoff_services::TokenSpec;

use super::{RunContext, TrialRun, failed, run_name};
use crate::RunError;
use crate::protocol::{Finished, JobSpec};
use crate::remote::{NoAnswer, RemoteJob};

/// One job's part of a trial.
pub(super) struct JobResult {
    pub(super) finished: Finished,
    pub(super) counters: Counters,
    pub(super) identity: ImageIdentity,
    /// Bytes that reached its disk, if it is a producer's with one of its own.
    pub(super) written_bytes: Option<u64>,
}

/// A job to run.
pub(super) struct JobRequest<'a> {
    /// Its name in the trial.
    pub(super) name: String,
    /// Its side.
    pub(super) role: Role,
    /// Its number, if it is a consumer.
    pub(super) consumer: Option<u32>,
    /// The image that its sources make.
    pub(super) image: &'a ImageSource,
    /// Further images that it builds.
    pub(super) others: Vec<ImageSource>,
    /// What the producer told it.
    pub(super) ticket: Option<Ticket>,
    /// The commit, where earlier runs count.
    pub(super) commit: Option<String>,
    /// The identity of an image of this very commit that an earlier run built.
    pub(super) primed: Option<ImageIdentity>,
}

impl<'a> JobRequest<'a> {
    /// A producer's job.
    pub(super) fn producer(name: &str, image: &'a ImageSource) -> Self {
        let (name, role) = (name.to_owned(), Role::Producer);
        Self { name, role, consumer: None, image, others: Vec::new(), ticket: None, commit: None, primed: None }
    }

    /// A consumer's job.
    pub(super) fn consumer(number: u32, image: &'a ImageSource, ticket: Ticket) -> Self {
        let name = format!("consumer-{number}");
        Self {
            name,
            role: Role::Consumer,
            consumer: Some(number),
            image,
            others: Vec::new(),
            ticket: Some(ticket),
            commit: None,
            primed: None,
        }
    }
}

/// A job with its token.
struct PreparedJob<'a> {
    request: JobRequest<'a>,
    spec: JobSpec,
    token: String,
    job: Option<RemoteJob>,
}

fn service(error: &dyn std::fmt::Display) -> RunError {
    RunError::Service(error.to_string())
}

/// The probe as a file, for images that do not bring it along.
fn probe(image: &ImageSource, root: &Path) -> Result<Option<PathBuf>, RunError> {
    if image.carries_probe() {
        return Ok(None);
    }
    let path = root.join("handoff-probe");
    fs::write(&path, probe_bytes())
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .map_err(RunError::io("write", &path))?;
    Ok(Some(path))
}

impl TrialRun<'_, '_> {
    /// Runs one job, and leaves nothing of it.
    pub(super) fn one(&mut self, request: JobRequest) -> Result<JobResult, NoAnswer> {
        let all = self.run_jobs(vec![request])?;
        all.into_iter().next().ok_or_else(|| RunError::Job("no job was run".to_owned()).into())
    }

    /// Runs jobs at once, and leaves nothing of them. All engines are up before the first clock starts, and all clocks have
    /// stopped before the first image is looked at.
    pub(super) fn run_jobs(&mut self, requests: Vec<JobRequest>) -> Result<Vec<JobResult>, NoAnswer> {
        let mut jobs = Vec::new();
        let result = self.prepare(requests, &mut jobs).and_then(|()| self.run_all(&mut jobs));
        // A failed trial's jobs end in good order too: their daemons' logs are kept then. Nobody waits for a job that
        // hangs, or when the run ends.
        let orderly = matches!(result, Ok(_) | Err(NoAnswer::Trial(Outcome::Failed, _)));
        let mut ended = Ok(());
        for job in jobs {
            ended = ended.and(self.end(job, orderly));
        }
        ended?;
        result
    }

    fn prepare<'a>(&mut self, requests: Vec<JobRequest<'a>>, jobs: &mut Vec<PreparedJob<'a>>) -> Result<(), NoAnswer> {
        for request in requests {
            let job_name = format!("{}-{}", &self.trial.nonce[..8], request.name);
            let conditions = self.trial.cell.conditions.clone();
            let tag = format!("handoff/trial:{}", self.trial.nonce);
            let made = self
                .context
                .host_daemon
                .map(|host_daemon| OwnedResources::by(conditions.engine, host_daemon, &job_name, &tag));
            let root = self.context.workspace.add_job(&job_name, made)?;
            let token_spec = TokenSpec {
                run: run_name(self.trial),
                job: request.name.clone(),
                trial: self.trial.id.clone(),
                role: request.role.to_string(),
                ..TokenSpec::default()
            };
            let token = self.context.service.mint(token_spec).map_err(|e| service(&e))?;
            let image = request.image;
            let sources = image.sources(&root.join("sources")).map_err(RunError::from)?;
            let others = request.others.iter().zip(2..);
            let others = others.map(|(other, number)| other.sources(&root.join(format!("sources-{number}"))));
            let others = others.collect::<Result<Vec<_>, _>>().map_err(RunError::from)?;
            let spec = JobSpec {
                job: job_name,
                role: request.role,
                root: root.clone(),
                private_disk: true,
                logs: self.logs.join(&request.name),
                buildkit: self.buildkit(request.role),
                strategy: self.trial.cell.strategy.clone(),
                conditions,
                name: format!("handoff-{}", self.trial.nonce),
                commit: request.commit.clone(),
                image: tag,
                answer: image.answer(),
                sources,
                others,
                probe: probe(image, &root)?,
                given: self.context.given.filter(|_| request.role == Role::Producer).map(Path::to_owned),
                digest_command: vec![PROBE_PATH.to_owned(), "digest".to_owned()],
                service_env: self.context.service.client_env(&token).into_iter().collect(),
                tools: self.context.tools.clone(),
                host_daemon: self.context.host_daemon.cloned(),
                ticket: request.ticket.clone(),
            };
            jobs.push(PreparedJob { request, spec, token, job: None });
        }
        Ok(())
    }

    /// The image of the builder that this side boots, if it builds by one of its own.
    fn buildkit(&self, role: Role) -> Option<BuildkitImage> {
        let user_image = self.trial.cell.conditions.builder == Builder::DockerContainer && self.strategy.builds(role);
        self.context.buildkit.filter(|_| user_image).cloned()
    }

    fn run_all(&mut self, jobs: &mut [PreparedJob]) -> Result<Vec<JobResult>, NoAnswer> {
        for prepared in jobs.iter_mut() {
            let RunContext { launch, tools, cancel, .. } = &*self.context;
            let (job, _) = RemoteJob::start_by(*launch, &prepared.spec, &tools.handoff, cancel)?;
            prepared.job = Some(job);
        }
        let (timeout, cancel) = (self.context.timeout, self.context.cancel);
        let run = |prepared: &mut PreparedJob| match &mut prepared.job {
            Some(job) => job.run(timeout, cancel),
            None => Err(RunError::Job("it was not started".to_owned()).into()),
        };
        let finished: Vec<Result<Finished, NoAnswer>> = thread::scope(|scope| {
            let threads: Vec<_> = jobs.iter_mut().map(|prepared| scope.spawn(move || run(prepared))).collect();
            let broke = || RunError::Job("its thread broke off".to_owned()).into();
            threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(broke()))).collect()
        });
        // What the others did is of interest, too, when one failed.
        for (prepared, finished) in jobs.iter().zip(&finished) {
            let Ok(finished) = finished else { continue };
            let (role, consumer) = (prepared.request.role, prepared.request.consumer);
            self.join.add_spans(role, consumer, &finished.spans);
            self.columns.extend(finished.facts.clone());
        }
        jobs.iter_mut().zip(finished).map(|(prepared, finished)| self.look(prepared, finished?)).collect()
    }

    /// What the service counted, and the image, off the clock.
    fn look(&mut self, prepared: &mut PreparedJob, finished: Finished) -> Result<JobResult, NoAnswer> {
        if let Some(failure) = finished.failure {
            return Err(NoAnswer::Trial(Outcome::Failed, failure));
        }
        let token = &prepared.token;
        let counters = self.context.service.counters(token).map_err(|e| service(&e))?;
        let mut written_bytes = None;
        if prepared.request.role == Role::Producer {
            self.context.service.revoke(token).map_err(|e| service(&e))?;
            if let Some(job) = &mut prepared.job {
                written_bytes = job.write_back(self.context.cancel)?;
            }
        }
        self.keep_requests(&prepared.spec, token)?;
        let identity = match (&mut prepared.job, finished.built_earlier) {
            (_, true) => prepared.request.primed.clone().ok_or_else(|| {
                failed("identity", "the producer built nothing, though no earlier run had built this commit")
            })?,
            (Some(job), false) => job.identify(self.context.cancel)?,
            (None, false) => return Err(RunError::Job("it was not started".to_owned()).into()),
        };
        let after = self.context.service.counters(token).map_err(|e| service(&e))?;
        if after.requests != counters.requests {
            let more = after.requests - counters.requests;
            let error =
                format!("{more} requests to the service after the clock had stopped: something was not there yet");
            return Err(failed("request-during-verification", &error));
        }
        Ok(JobResult { finished, counters, identity, written_bytes })
    }

    /// Keeps what the service saw of the job with the trial's logs: for people and for tests, no column is made from it.
    fn keep_requests(&self, spec: &JobSpec, token: &str) -> Result<(), RunError> {
        let log = self.context.service.request_log(token).map_err(|e| service(&e))?;
        let path = spec.logs.join("requests.json");
        let json = serde_json::to_vec(&log).map_err(|e| service(&e))?;
        fs::write(&path, json).map_err(RunError::io("write", &path))
    }

    /// Whatever happened: the token is dead, the processes are gone, the files too.
    fn end(&mut self, prepared: PreparedJob, orderly: bool) -> Result<(), NoAnswer> {
        let PreparedJob { spec, token, job, .. } = prepared;
        let stopped = match job {
            Some(job) if orderly => job.stop(),
            other => {
                drop(other);
                Ok(())
            }
        };
        self.context.service.revoke(&token).map_err(|e| service(&e))?;
        self.context.workspace.remove_job(&spec.job)?;
        stopped?;
        if leftovers::has_cgroups(&spec.job) {
            return Err(RunError::Job(format!("cgroups of {} could not be removed", spec.job)).into());
        }
        Ok(())
    }
}
