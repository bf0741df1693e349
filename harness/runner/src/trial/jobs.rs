//! Jobs of a trial: one, or several that run concurrently, each on a fresh engine.

use std::collections::BTreeMap;
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
use handoff_strategies::recorder::IMPORT;

use super::{RunContext, TrialRun, failed};
use crate::RunError;
use crate::needs;
use crate::protocol::{Finished, JobSpec};
use crate::remote::{NoAnswer, RemoteJob};

/// Result of a job.
pub(super) struct JobResult {
    pub(super) finished: Finished,
    pub(super) counters: Counters,
    pub(super) identity: ImageIdentity,
    /// Bytes that reached a producer's private disk, if it has one.
    pub(super) written_bytes: Option<u64>,
}

/// Request to run a job.
pub(super) struct JobRequest<'a> {
    /// Name in the trial.
    pub(super) name: String,
    /// Role.
    pub(super) role: Role,
    /// Number of a consumer.
    pub(super) consumer: Option<u32>,
    /// Image to build or to receive.
    pub(super) image: &'a ImageSource,
    /// Further images to build.
    pub(super) others: Vec<ImageSource>,
    /// Ticket of the producer.
    pub(super) ticket: Option<Ticket>,
    /// Commit, if caches of earlier runs may exist.
    pub(super) commit: Option<String>,
    /// Identity of this commit's image, if a warm-up has built it.
    pub(super) warm_up_identity: Option<ImageIdentity>,
}

impl<'a> JobRequest<'a> {
    /// Request for a producer.
    pub(super) fn producer(name: &str, image: &'a ImageSource) -> Self {
        Self {
            name: name.to_owned(),
            role: Role::Producer,
            consumer: None,
            image,
            others: Vec::new(),
            ticket: None,
            commit: None,
            warm_up_identity: None,
        }
    }

    /// Request for a consumer.
    pub(super) fn consumer(number: u32, image: &'a ImageSource, ticket: Ticket) -> Self {
        let (role, consumer, ticket) = (Role::Consumer, Some(number), Some(ticket));
        Self { role, consumer, ticket, ..Self::producer(&format!("consumer-{number}"), image) }
    }
}

/// Job with its token.
struct PreparedJob<'a> {
    request: JobRequest<'a>,
    spec: JobSpec,
    token: String,
    job: Option<RemoteJob>,
}

/// Writes the probe to a file, for an image that does not contain it.
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

/// Adds a job's facts to the columns of the row. An image counts as imported only if every consumer imported it.
fn merge_facts(columns: &mut BTreeMap<String, String>, facts: &BTreeMap<String, String>) {
    let pulled = columns.get(IMPORT).filter(|way| *way == "pull").cloned();
    columns.extend(facts.clone());
    columns.extend(pulled.map(|way| (IMPORT.to_owned(), way)));
}

impl TrialRun<'_, '_> {
    /// Runs one job and removes all of its files.
    pub(super) fn run_job(&mut self, request: JobRequest) -> Result<JobResult, NoAnswer> {
        let all = self.run_jobs(vec![request])?;
        all.into_iter().next().ok_or_else(|| RunError::Job("no job was run".to_owned()).into())
    }

    /// Runs jobs concurrently and removes all of their files. All engines answer before the first clock starts, and all
    /// clocks have stopped before the first image is identified.
    pub(super) fn run_jobs(&mut self, requests: Vec<JobRequest>) -> Result<Vec<JobResult>, NoAnswer> {
        let mut jobs = Vec::new();
        let result = self.prepare(requests, &mut jobs).and_then(|()| self.run_all(&mut jobs));
        // Jobs of a failed trial are stopped too, because that keeps the logs of their daemons. There is no wait for a job
        // that hangs, or when the run ends.
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
            let conditions = needs::job_conditions(&self.trial.cell);
            let tag = format!("handoff/trial:{}", self.trial.nonce);
            let host_daemon = self.context.host_daemon;
            let resources =
                host_daemon.map(|daemon| OwnedResources::of_job(conditions.engine, daemon, &job_name, &tag));
            let root = self.context.workspace.add_job(&job_name, resources)?;
            let token_spec = TokenSpec {
                run: self.trial.id.clone(),
                job: request.name.clone(),
                trial: self.trial.id.clone(),
                role: request.role.to_string(),
                ..TokenSpec::default()
            };
            let token = self.context.service.mint(token_spec).map_err(RunError::service)?;
            let image = request.image;
            let sources = image.sources(&root.join("sources")).map_err(RunError::from)?;
            let others = request.others.iter().zip(2..);
            let others = others.map(|(other, number)| other.sources(&root.join(format!("sources-{number}"))));
            let others = others.collect::<Result<Vec<_>, _>>().map_err(RunError::from)?;
            let (strategy, tools) = (self.trial.cell.strategy.clone(), self.context.tools);
            let spec = JobSpec {
                role: request.role,
                logs: self.logs.join(&request.name),
                buildkit: self.buildkit(request.role),
                name: format!("handoff-{}", self.trial.nonce),
                commit: request.commit.clone(),
                image: tag,
                answer: image.answer(),
                sources,
                others,
                probe: probe(image, &root)?,
                image_tar: self.context.image_tar.filter(|_| request.role == Role::Producer).map(Path::to_owned),
                digest_command: vec![PROBE_PATH.to_owned(), "digest".to_owned()],
                service_env: self.context.service.client_env(&token).into_iter().collect(),
                ticket: request.ticket.clone(),
                ..JobSpec::new(&job_name, &root, strategy, conditions, tools, host_daemon)
            };
            jobs.push(PreparedJob { request, spec, token, job: None });
        }
        Ok(())
    }

    /// Image of the builder that this role boots, if it builds in a builder container.
    fn buildkit(&self, role: Role) -> Option<BuildkitImage> {
        let builder = needs::job_conditions(&self.trial.cell).builder;
        let boots = builder == Builder::DockerContainer && self.strategy.builds(role);
        self.context.buildkit.filter(|_| boots).cloned()
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
            let panicked = || RunError::Job("its thread panicked".to_owned()).into();
            threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        // The spans of all jobs are kept, also if one failed.
        for (prepared, finished) in jobs.iter().zip(&finished) {
            let Ok(finished) = finished else { continue };
            let (role, consumer) = (prepared.request.role, prepared.request.consumer);
            self.join.add_spans(role, consumer, &finished.spans);
            merge_facts(&mut self.columns, &finished.facts);
        }
        jobs.iter_mut().zip(finished).map(|(prepared, finished)| self.verify(prepared, finished?)).collect()
    }

    /// Reads the service's counters and the image's identity, off the clock.
    fn verify(&mut self, prepared: &mut PreparedJob, finished: Finished) -> Result<JobResult, NoAnswer> {
        if let Some(failure) = finished.failure {
            return Err(NoAnswer::Trial(Outcome::Failed, failure));
        }
        let token = &prepared.token;
        let counters = self.context.service.counters(token).map_err(RunError::service)?;
        let mut written_bytes = None;
        if prepared.request.role == Role::Producer {
            self.context.service.revoke(token).map_err(RunError::service)?;
            if let Some(job) = &mut prepared.job {
                written_bytes = job.write_back(self.context.cancel)?;
            }
        }
        self.keep_requests(&prepared.spec, token)?;
        let identity = match (&mut prepared.job, finished.built_earlier) {
            (_, true) => prepared.request.warm_up_identity.clone().ok_or_else(|| {
                failed("identity", "the producer built nothing, although no warm-up has built this commit")
            })?,
            (Some(job), false) => job.identify(self.context.cancel)?,
            (None, false) => return Err(RunError::Job("it was not started".to_owned()).into()),
        };
        let after = self.context.service.counters(token).map_err(RunError::service)?;
        if after.requests != counters.requests {
            let more = after.requests - counters.requests;
            let error = format!("{more} requests to the service after the clock had stopped: the image was incomplete");
            return Err(failed("request-during-verification", &error));
        }
        Ok(JobResult { finished, counters, identity, written_bytes })
    }

    /// Keeps the service's request log of the job with the trial's logs, for people and tests.
    fn keep_requests(&self, spec: &JobSpec, token: &str) -> Result<(), RunError> {
        let log = self.context.service.request_log(token).map_err(RunError::service)?;
        let path = spec.logs.join("requests.json");
        let json = serde_json::to_vec(&log).map_err(RunError::service)?;
        fs::write(&path, json).map_err(RunError::io("write", &path))
    }

    /// Ends a job: revokes its token, ends its processes and removes its files.
    fn end(&mut self, prepared: PreparedJob, orderly: bool) -> Result<(), NoAnswer> {
        let PreparedJob { spec, token, job, .. } = prepared;
        let stopped = match job {
            Some(job) if orderly => job.stop(),
            other => {
                drop(other);
                Ok(())
            }
        };
        self.context.service.revoke(&token).map_err(RunError::service)?;
        self.context.workspace.remove_job(&spec.job)?;
        stopped?;
        if leftovers::has_cgroups(&spec.job) {
            return Err(RunError::Job(format!("cgroups of {} could not be removed", spec.job)).into());
        }
        Ok(())
    }
}
