//! One trial: producer, ticket, consumers, identity, and the one place where all of it is joined into a measurement.

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
use handoff_strategies::recorder::{CLIENT, SOURCE};

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

/// The part of a trial that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialPhase {
    /// The priming run.
    WarmUp,
    /// The producer.
    Producer,
    /// One consumer, or several at once.
    Consumers {
        /// The first of them, from 1.
        from: u32,
        /// The last of them.
        to: u32,
        /// All of the trial.
        of: u32,
    },
}

impl fmt::Display for TrialPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarmUp => f.write_str("priming run"),
            Self::Producer => f.write_str("producer"),
            Self::Consumers { of: 1, .. } => f.write_str("consumer"),
            Self::Consumers { from, to, of } if from == to => write!(f, "consumer {from} of {of}"),
            Self::Consumers { from, to, of } => write!(f, "consumers {from} to {to} of {of}"),
        }
    }
}

/// What all trials of a run share.
pub struct RunContext<'a> {
    /// Where jobs live.
    pub workspace: &'a mut Workspace,
    /// The service's process.
    pub service: &'a Client,
    /// Programs.
    pub tools: &'a ToolPaths,
    /// Image of `docker-container` builders, if the plan has any.
    pub buildkit: Option<&'a BuildkitImage>,
    /// The user's daemon, for engines that use it.
    pub host_daemon: Option<&'a HostDaemon>,
    /// Identifier of the environment.
    pub environment: &'a str,
    /// Time limit of a side.
    pub timeout: Duration,
    /// Seed of the image's content.
    pub seed: u64,
    /// Cores that the run may use.
    pub cores: u32,
    /// The user's own image.
    pub user_image: Option<&'a UserImage>,
    /// Its tar, where it comes from the user's daemon.
    pub given: Option<&'a Path>,
    /// The wish to end.
    pub cancel: &'a Cancel,
    /// How a job's process is started.
    pub(crate) launch: Launch,
    /// Waits between the sides until dirty pages are written back; the time in ns.
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

/// Runs a trial. A failure of the trial is a record; an error is something that ends the run.
pub fn run(
    context: &mut RunContext,
    trial: &Trial,
    logs: PathBuf,
    note: &mut dyn FnMut(TrialPhase),
) -> Result<TrialRows, RunError> {
    let started_at = now();
    let strategy = handoff_strategies::find(&trial.cell.strategy).map_err(|e| RunError::Job(e.to_string()))?;
    let image = ImageSource::of(trial, context.user_image, context.seed)?;
    let mut join = TrialJoin::new(trial, context.seed, strategy.facts().moves_image);
    join.environment = Some(context.environment.to_owned());
    join.started_at = Some(started_at);
    join.contended = trial.cell.conditions.is_contended(context.cores);
    let mut trial_run = TrialRun { context, trial, strategy, image, logs, join, columns: BTreeMap::new() };
    let result = match trial_run.measure(note) {
        Ok(measured) => Ok(measured),
        Err(NoAnswer::Run(error)) => return Err(error),
        Err(NoAnswer::Trial(outcome, failure)) => Err((outcome, failure)),
    };
    // Also after a failure: the next trial starts with an empty service.
    trial_run.context.service.purge(&run_name(trial)).map_err(|e| RunError::Service(e.to_string()))?;
    let TrialRun { mut join, mut columns, .. } = trial_run;
    // Empty where no tar or no bytes are moved, as the columns say.
    join.source = columns.remove(SOURCE).unwrap_or_default();
    join.client = columns.remove(CLIENT).unwrap_or_default();
    Ok(join.rows(result))
}

/// The rows of a trial that is not run.
pub(crate) fn skipped(trial: &Trial, environment: &str, seed: u64, failure: Failure) -> TrialRows {
    let mut join = TrialJoin::new(trial, seed, false);
    join.environment = Some(environment.to_owned());
    join.started_at = Some(now());
    join.rows(Err((Outcome::Skipped, failure)))
}

/// The time as the rows have it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The trial's name at the service: everything it stores is purged under it.
fn run_name(trial: &Trial) -> String {
    trial.id.clone()
}

impl TrialRun<'_, '_> {
    fn measure(&mut self, note: &mut dyn FnMut(TrialPhase)) -> Result<Measured, NoAnswer> {
        self.rest()?;
        let state = self.trial.cell.conditions.cache_state;
        let nonce = &self.trial.nonce;
        let more = self.strategy.more_builds();
        let mut warm_up = WarmUpBuild::of(&self.image, state, &*self.strategy, nonce)?;
        warm_up.extend(WarmUpBuild::pushes(&self.image, more.earlier_pushes, nonce)?);
        let others = warm_up::others(&self.image, more.other_images, nonce)?;
        let mut primed = None;
        for (number, warm_up) in (1..).zip(&warm_up) {
            primed = self.prime(note, number, warm_up)?;
        }
        let before = self.usage()?;
        let mut settle_ns = (self.context.wait_for_writeback)();
        let commit = (!warm_up.is_empty()).then(|| warm_up::THIS_COMMIT.to_owned());
        let image = self.image.clone();
        let mut ticket = None;
        let mut producer = None;
        if self.strategy.facts().has_producer {
            note(TrialPhase::Producer);
            let request =
                JobRequest { commit: commit.clone(), primed, others, ..JobRequest::producer("producer", &image) };
            let role = self.one(request)?;
            ticket = Some(role.finished.ticket.clone());
            producer = Some(role);
            settle_ns += (self.context.wait_for_writeback)();
        }
        let content = self.image.content_digest().map_err(RunError::from)?;
        self.join.expect_image(producer.as_ref().map(|p| &p.identity), content.as_ref());
        let mut consumers: Vec<JobResult> = Vec::new();
        let all = self.trial.cell.conditions.consumers;
        let at_once = self.trial.cell.conditions.consumer_concurrency.max(1);
        let mut next = 1;
        while next <= all {
            if next > 1 {
                settle_ns += (self.context.wait_for_writeback)();
            }
            let to = all.min(next + at_once - 1);
            note(TrialPhase::Consumers { from: next, to, of: all });
            // Without a producer nobody tells a consumer anything.
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
            settle_ns: Some(settle_ns),
            image_bytes: self.image.predicted_bytes().or_else(|| consumers.first()?.identity.tree_bytes),
        };
        Ok(report.measured())
    }

    /// A priming run, off every clock: nothing of it enters the row but what the trial finds of it. Gives the identity of
    /// its image, where it is that of the trial's own commit.
    fn prime(
        &mut self,
        note: &mut dyn FnMut(TrialPhase),
        number: u32,
        warm_up: &WarmUpBuild,
    ) -> Result<Option<ImageIdentity>, NoAnswer> {
        note(TrialPhase::WarmUp);
        let name = if number == 1 { "priming".to_owned() } else { format!("priming-{number}") };
        let (spans, columns) = (self.join.span_count(), self.columns.clone());
        let request =
            JobRequest { commit: Some(warm_up.commit.clone()), ..JobRequest::producer(&name, &warm_up.image) };
        let primed = self.one(request);
        self.join.keep_spans(spans);
        self.columns = columns;
        self.rest()?;
        match primed {
            Ok(role) => Ok((warm_up.commit == warm_up::THIS_COMMIT).then_some(role.identity)),
            Err(NoAnswer::Trial(outcome, f)) => {
                Err(NoAnswer::Trial(outcome, Failure::new("priming", format!("{}: {}", f.span, f.error))))
            }
            Err(other) => Err(other),
        }
    }

    /// What was counted against limits of time belongs to another workflow run than what comes now.
    fn rest(&self) -> Result<(), RunError> {
        self.context.service.rest().map_err(|e| RunError::Service(e.to_string()))
    }

    fn usage(&mut self) -> Result<ServiceUsage, RunError> {
        self.context.service.usage().map_err(|e| RunError::Service(e.to_string()))
    }
}

impl JobResult {
    /// Report of the job: its own, and the service's of it.
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

/// A trial that failed at a gate.
fn failed(span: &str, error: &str) -> NoAnswer {
    NoAnswer::Trial(Outcome::Failed, Failure::new(span, error))
}
