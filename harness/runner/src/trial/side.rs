//! The jobs of a trial: one, or several at once, from their fresh engines to their ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::leftovers;
use handoff_docker::user::Made;
use handoff_fixtures::{ImageSource, PROBE_PATH, probe_bytes};
use handoff_model::Counters;
use handoff_model::{Builder, ImageIdentity, Outcome, Side, Ticket};
use handoff_services::TokenSpec;

use super::{Bench, Course, failed, run_name};
use crate::RunError;
use crate::protocol::{Finished, JobSpec};
use crate::remote::{NoAnswer, RemoteJob};

/// One job's part of a trial.
pub(super) struct SideResult {
    pub(super) finished: Finished,
    pub(super) counters: Counters,
    pub(super) identity: ImageIdentity,
    /// Bytes that reached its disk, if it is a producer's with one of its own.
    pub(super) written_bytes: Option<u64>,
}

/// A job to run.
pub(super) struct Ask<'a> {
    /// Its name in the trial.
    pub(super) name: String,
    /// Its side.
    pub(super) side: Side,
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

impl<'a> Ask<'a> {
    /// A producer's job.
    pub(super) fn producer(name: &str, image: &'a ImageSource) -> Self {
        let (name, side) = (name.to_owned(), Side::Producer);
        Self { name, side, consumer: None, image, others: Vec::new(), ticket: None, commit: None, primed: None }
    }

    /// A consumer's job.
    pub(super) fn consumer(number: u32, image: &'a ImageSource, ticket: Ticket) -> Self {
        let name = format!("consumer-{number}");
        Self {
            name,
            side: Side::Consumer,
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
struct Prepared<'a> {
    ask: Ask<'a>,
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

impl Course<'_, '_> {
    /// Runs one job, and leaves nothing of it.
    pub(super) fn one(&mut self, ask: Ask) -> Result<SideResult, NoAnswer> {
        let all = self.sides(vec![ask])?;
        all.into_iter().next().ok_or_else(|| RunError::Job("no job was run".to_owned()).into())
    }

    /// Runs jobs at once, and leaves nothing of them. All engines are up before the first clock starts, and all clocks have
    /// stopped before the first image is looked at.
    pub(super) fn sides(&mut self, asks: Vec<Ask>) -> Result<Vec<SideResult>, NoAnswer> {
        let mut jobs = Vec::new();
        let result = self.prepare(asks, &mut jobs).and_then(|()| self.run_all(&mut jobs));
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

    fn prepare<'a>(&mut self, asks: Vec<Ask<'a>>, jobs: &mut Vec<Prepared<'a>>) -> Result<(), NoAnswer> {
        for ask in asks {
            let job_name = format!("{}-{}", &self.trial.nonce[..8], ask.name);
            let conditions = self.trial.cell.conditions.clone();
            let tag = format!("handoff/trial:{}", self.trial.nonce);
            let made = self.bench.lent.map(|lent| Made::by(conditions.engine, lent, &job_name, &tag));
            let root = self.bench.workspace.add_job(&job_name, made)?;
            let token_spec = TokenSpec {
                run: run_name(self.trial),
                job: ask.name.clone(),
                trial: self.trial.id.clone(),
                side: ask.side.to_string(),
                ..TokenSpec::default()
            };
            let token = self.bench.service.mint(token_spec).map_err(|e| service(&e))?;
            let image = ask.image;
            let sources = image.sources(&root.join("sources")).map_err(RunError::from)?;
            let others = ask.others.iter().zip(2..);
            let others = others.map(|(other, number)| other.sources(&root.join(format!("sources-{number}"))));
            let others = others.collect::<Result<Vec<_>, _>>().map_err(RunError::from)?;
            let spec = JobSpec {
                job: job_name,
                side: ask.side,
                root: root.clone(),
                own_disk: true,
                logs: self.logs.join(&ask.name),
                buildkit: self.buildkit(ask.side),
                strategy: self.trial.cell.strategy.clone(),
                conditions,
                name: format!("handoff-{}", self.trial.nonce),
                commit: ask.commit.clone(),
                image: tag,
                answer: image.answer(),
                sources,
                others,
                probe: probe(image, &root)?,
                given: self.bench.given.filter(|_| ask.side == Side::Producer).map(Path::to_owned),
                digest_command: vec![PROBE_PATH.to_owned(), "digest".to_owned()],
                service_env: self.bench.service.client_env(&token).into_iter().collect(),
                tools: self.bench.tools.clone(),
                lent: self.bench.lent.cloned(),
                ticket: ask.ticket.clone(),
            };
            jobs.push(Prepared { ask, spec, token, job: None });
        }
        Ok(())
    }

    /// The image of the builder that this side boots, if it builds by one of its own.
    fn buildkit(&self, side: Side) -> Option<BuildkitImage> {
        let own = self.trial.cell.conditions.builder == Builder::DockerContainer && self.strategy.builds(side);
        self.bench.buildkit.filter(|_| own).cloned()
    }

    fn run_all(&mut self, jobs: &mut [Prepared]) -> Result<Vec<SideResult>, NoAnswer> {
        for prepared in jobs.iter_mut() {
            let Bench { launch, tools, cancel, .. } = &*self.bench;
            let (job, _) = RemoteJob::start_by(*launch, &prepared.spec, &tools.handoff, cancel)?;
            prepared.job = Some(job);
        }
        let (timeout, cancel) = (self.bench.timeout, self.bench.cancel);
        let run = |prepared: &mut Prepared| match &mut prepared.job {
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
            let (side, consumer) = (prepared.ask.side, prepared.ask.consumer);
            self.join.add_spans(side, consumer, &finished.spans);
            self.columns.extend(finished.facts.clone());
        }
        jobs.iter_mut().zip(finished).map(|(prepared, finished)| self.look(prepared, finished?)).collect()
    }

    /// What the service counted, and the image, off the clock.
    fn look(&mut self, prepared: &mut Prepared, finished: Finished) -> Result<SideResult, NoAnswer> {
        if let Some(failure) = finished.failure {
            return Err(NoAnswer::Trial(Outcome::Failed, failure));
        }
        let token = &prepared.token;
        let counters = self.bench.service.counters(token).map_err(|e| service(&e))?;
        let mut written_bytes = None;
        if prepared.ask.side == Side::Producer {
            self.bench.service.revoke(token).map_err(|e| service(&e))?;
            if let Some(job) = &mut prepared.job {
                written_bytes = job.write_back(self.bench.cancel)?;
            }
        }
        self.keep_requests(&prepared.spec, token)?;
        let identity = match (&mut prepared.job, finished.built_earlier) {
            (_, true) => prepared.ask.primed.clone().ok_or_else(|| {
                failed("identity", "the producer built nothing, though no earlier run had built this commit")
            })?,
            (Some(job), false) => job.identify(self.bench.cancel)?,
            (None, false) => return Err(RunError::Job("it was not started".to_owned()).into()),
        };
        let after = self.bench.service.counters(token).map_err(|e| service(&e))?;
        if after.requests != counters.requests {
            let more = after.requests - counters.requests;
            let error =
                format!("{more} requests to the service after the clock had stopped: something was not there yet");
            return Err(failed("request-during-verification", &error));
        }
        Ok(SideResult { finished, counters, identity, written_bytes })
    }

    /// Keeps what the service saw of the job with the trial's logs: for people and for tests, no column is made from it.
    fn keep_requests(&self, spec: &JobSpec, token: &str) -> Result<(), RunError> {
        let log = self.bench.service.request_log(token).map_err(|e| service(&e))?;
        let path = spec.logs.join("requests.json");
        let json = serde_json::to_vec(&log).map_err(|e| service(&e))?;
        fs::write(&path, json).map_err(RunError::io("write", &path))
    }

    /// Whatever happened: the token is dead, the processes are gone, the files too.
    fn end(&mut self, prepared: Prepared, orderly: bool) -> Result<(), NoAnswer> {
        let Prepared { spec, token, job, .. } = prepared;
        let stopped = match job {
            Some(job) if orderly => job.stop(),
            other => {
                drop(other);
                Ok(())
            }
        };
        self.bench.service.revoke(&token).map_err(|e| service(&e))?;
        self.bench.workspace.remove_job(&spec.job)?;
        stopped?;
        if leftovers::has_cgroups(&spec.job) {
            return Err(RunError::Job(format!("cgroups of {} could not be removed", spec.job)).into());
        }
        Ok(())
    }
}
