//! Trial: producer, ticket, consumers and identity, joined into one measurement.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::user::HostDaemon;
use handoff_fixtures::ImageSource;
use handoff_model::ServiceUsage;
use handoff_model::{Failure, ImageIdentity, Outcome, Trial, UserImage};
use handoff_records::Measured;
use handoff_records::join::{JobReport, TrialJoin, TrialReport, TrialRows};
use handoff_services::control::Client;
use handoff_strategies::Strategy;
use handoff_strategies::recorder::{CLIENT, IMPORT, SOURCE};

use crate::protocol::ToolPaths;
use crate::remote::{Launch, NoAnswer};
use crate::workspace::Workspace;
use crate::{Cancel, RunError};

mod jobs;
#[cfg(test)]
mod tests;
mod warm_up;

use jobs::{JobRequest, JobResult};
use warm_up::WarmUpBuild;

/// Phase of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialPhase {
    /// Warm-up.
    WarmUp,
    /// Producer.
    Producer,
    /// One consumer, or several that run concurrently.
    Consumers {
        /// Number of the first consumer, from 1.
        from: u32,
        /// Number of the last consumer.
        to: u32,
        /// Number of all consumers of the trial.
        of: u32,
    },
}

impl fmt::Display for TrialPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarmUp => f.write_str("warm-up"),
            Self::Producer => f.write_str("producer"),
            Self::Consumers { of: 1, .. } => f.write_str("consumer"),
            Self::Consumers { from, to, of } if from == to => write!(f, "consumer {from} of {of}"),
            Self::Consumers { from, to, of } => write!(f, "consumers {from} to {to} of {of}"),
        }
    }
}

/// Context shared by all trials of a run.
pub struct RunContext<'a> {
    /// Folder of the run's jobs.
    pub workspace: &'a mut Workspace,
    /// Process of the service.
    pub service: &'a Client,
    /// Programs.
    pub tools: &'a ToolPaths,
    /// Image of `docker-container` builders, if the plan has any.
    pub buildkit: Option<&'a BuildkitImage>,
    /// The user's daemon, for engines that use it.
    pub host_daemon: Option<&'a HostDaemon>,
    /// Identifier of the environment.
    pub environment: &'a str,
    /// Time limit of a role.
    pub timeout: Duration,
    /// Seed of the image's content.
    pub seed: u64,
    /// Cores that the run may use.
    pub cores: u32,
    /// The user's image.
    pub user_image: Option<&'a UserImage>,
    /// Tar of the user's image, if it comes from the user's daemon.
    pub image_tar: Option<&'a Path>,
    /// Cancellation of the run.
    pub cancel: &'a Cancel,
    /// Function that makes the command line of a job.
    pub(crate) launch: Launch,
    /// Function that waits between jobs for the write-back of dirty pages. Returns the time in ns.
    pub(crate) wait_for_writeback: fn() -> u64,
}

struct TrialRun<'a, 'b> {
    context: &'b mut RunContext<'a>,
    trial: &'b Trial,
    strategy: Box<dyn Strategy>,
    image: ImageSource,
    logs: PathBuf,
    join: TrialJoin<'b>,
    columns: BTreeMap<String, String>,
}

/// Runs a trial; `progress` gets each phase as it starts. A failed trial is a result, not an error.
///
/// # Errors
/// The run cannot continue, for example because a process outlived its job, or the run is cancelled.
pub fn run(
    context: &mut RunContext,
    trial: &Trial,
    logs: PathBuf,
    progress: &mut dyn FnMut(TrialPhase),
) -> Result<TrialRows, RunError> {
    let started_at = now();
    let strategy = handoff_strategies::find(&trial.cell.strategy).map_err(|e| RunError::Job(e.to_string()))?;
    let image = ImageSource::of(trial, context.user_image, context.seed)?;
    let mut join = TrialJoin::new(trial, context.seed, strategy.facts().moves_image);
    join.environment = Some(context.environment.to_owned());
    join.started_at = Some(started_at);
    join.contended = trial.cell.conditions.is_contended(context.cores);
    let mut trial_run = TrialRun { context, trial, strategy, image, logs, join, columns: BTreeMap::new() };
    let result = match trial_run.measure(progress) {
        Ok(measured) => Ok(measured),
        Err(NoAnswer::Run(error)) => return Err(error),
        Err(NoAnswer::Trial(outcome, failure)) => Err((outcome, failure)),
    };
    // The next trial starts with an empty service, also after a failure.
    trial_run.context.service.purge(&trial.id).map_err(RunError::service)?;
    let TrialRun { mut join, mut columns, .. } = trial_run;
    join.source = columns.remove(SOURCE).unwrap_or_default();
    join.client = columns.remove(CLIENT).unwrap_or_default();
    join.import = columns.remove(IMPORT).unwrap_or_default();
    Ok(join.rows(result))
}

/// Rows of a trial that is not run.
pub(crate) fn skipped(trial: &Trial, environment: &str, seed: u64, failure: Failure) -> TrialRows {
    let mut join = TrialJoin::new(trial, seed, false);
    join.environment = Some(environment.to_owned());
    join.started_at = Some(now());
    join.rows(Err((Outcome::Skipped, failure)))
}

/// Time in the format of the rows.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl TrialRun<'_, '_> {
    fn measure(&mut self, progress: &mut dyn FnMut(TrialPhase)) -> Result<Measured, NoAnswer> {
        self.reset_rate_limits()?;
        let state = self.trial.cell.conditions.cache_state;
        let nonce = &self.trial.nonce;
        let more = self.strategy.more_builds();
        let mut warm_up = WarmUpBuild::of(&self.image, state, &*self.strategy, nonce)?;
        warm_up.extend(WarmUpBuild::pushes(&self.image, more.earlier_pushes, nonce)?);
        let others = warm_up::others(&self.image, more.other_images, nonce)?;
        let mut warm_up_identity = None;
        for (number, warm_up) in (1..).zip(&warm_up) {
            warm_up_identity = self.run_warm_up(progress, number, warm_up)?;
        }
        let before = self.usage()?;
        let mut writeback_ns = (self.context.wait_for_writeback)();
        let commit = (!warm_up.is_empty()).then(|| warm_up::THIS_COMMIT.to_owned());
        let image = self.image.clone();
        let mut ticket = None;
        let mut producer = None;
        if self.strategy.facts().has_producer {
            progress(TrialPhase::Producer);
            let request = JobRequest { others, warm_up_identity, ..JobRequest::producer("producer", &image) };
            let role = self.run_job(JobRequest { commit: commit.clone(), ..request })?;
            ticket = Some(role.finished.ticket.clone());
            producer = Some(role);
            writeback_ns += (self.context.wait_for_writeback)();
        }
        let content = self.image.content_digest().map_err(RunError::from)?;
        self.join.expect_image(producer.as_ref().map(|p| &p.identity), content.as_ref());
        let mut consumers: Vec<JobResult> = Vec::new();
        let all = self.trial.cell.conditions.consumers;
        let at_once = self.trial.cell.conditions.consumer_concurrency.max(1);
        let mut next = 1;
        while next <= all {
            if next > 1 {
                writeback_ns += (self.context.wait_for_writeback)();
            }
            let to = all.min(next + at_once - 1);
            progress(TrialPhase::Consumers { from: next, to, of: all });
            let ticket = ticket.clone().unwrap_or_default();
            let requests = (next..=to)
                .map(|n| JobRequest { commit: commit.clone(), ..JobRequest::consumer(n, &image, ticket.clone()) });
            let run_jobs = self.run_jobs(requests.collect())?;
            for (number, role) in (next..).zip(run_jobs) {
                let report = role.report(self.context.environment);
                let gate = self.join.add_consumer(number, &report, &role.identity);
                gate.map_err(|failure| NoAnswer::Trial(Outcome::Failed, failure))?;
                consumers.push(role);
            }
            next = to + 1;
        }
        let after = self.usage()?;
        let environment = self.context.environment;
        let report = TrialReport {
            producer: producer.as_ref().map(|p| p.report(environment)),
            consumers: consumers.iter().map(|c| c.report(environment)).collect(),
            service: Some(ServiceUsage { cpu_ns: after.cpu_ns.saturating_sub(before.cpu_ns), ..after }),
            settle_ns: Some(writeback_ns),
            image_bytes: self.image.predicted_bytes().or_else(|| consumers.first()?.identity.tree_bytes),
        };
        Ok(report.measured())
    }

    /// Runs a warm-up off every clock, of which no span or column enters the row. Returns the identity of its image if the
    /// commit is the trial's.
    fn run_warm_up(
        &mut self,
        progress: &mut dyn FnMut(TrialPhase),
        number: u32,
        warm_up: &WarmUpBuild,
    ) -> Result<Option<ImageIdentity>, NoAnswer> {
        progress(TrialPhase::WarmUp);
        let name = if number == 1 { "priming".to_owned() } else { format!("priming-{number}") };
        let (spans, columns) = (self.join.span_count(), self.columns.clone());
        let request =
            JobRequest { commit: Some(warm_up.commit.clone()), ..JobRequest::producer(&name, &warm_up.image) };
        let result = self.run_job(request);
        self.join.keep_spans(spans);
        self.columns = columns;
        self.reset_rate_limits()?;
        match result {
            Ok(role) => Ok((warm_up.commit == warm_up::THIS_COMMIT).then_some(role.identity)),
            Err(NoAnswer::Trial(outcome, f)) => {
                Err(NoAnswer::Trial(outcome, Failure::new("priming", format!("{}: {}", f.span, f.error))))
            }
            Err(other) => Err(other),
        }
    }

    /// Resets the service's rate limits, because the next jobs belong to another workflow run.
    fn reset_rate_limits(&self) -> Result<(), RunError> {
        self.context.service.reset_rate_limits().map_err(RunError::service)
    }

    fn usage(&mut self) -> Result<ServiceUsage, RunError> {
        self.context.service.usage().map_err(RunError::service)
    }
}

impl JobResult {
    /// Report of the job, with the traffic that the service counted.
    fn report<'a>(&'a self, environment: &'a str) -> JobReport<'a> {
        JobReport {
            wall_ns: self.finished.wall_ns,
            spans: &self.finished.spans,
            usage: &self.finished.usage,
            steps: self.finished.steps,
            traffic: Some(&self.counters),
            written_bytes: self.written_bytes,
            environment,
        }
    }
}

/// Failure of a trial at a gate.
fn failed(span: &str, error: &str) -> NoAnswer {
    NoAnswer::Trial(Outcome::Failed, Failure::new(span, error))
}
