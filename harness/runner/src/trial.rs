//! One trial: producer, ticket, consumers, identity, and the one place where all of it is joined into a measurement.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::user::Lent;
use handoff_fixtures::ImageSource;
use handoff_model::ServiceUsage;
use handoff_model::{Failure, ImageIdentity, Outcome, OwnImage, Trial};
use handoff_records::Measured;
use handoff_records::join::{JobReport, TrialJoin, TrialReport, TrialRows};
use handoff_services::control::Client;
use handoff_strategies::Strategy;
use handoff_strategies::recorder::{CLIENT, SOURCE};

use crate::protocol::ToolPaths;
use crate::remote::{Launch, NoAnswer};
use crate::workspace::Workspace;
use crate::{Cancel, RunError};

mod earlier;
mod side;
#[cfg(test)]
mod tests;

use earlier::Earlier;
use side::{Ask, SideResult};

/// The part of a trial that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The priming run.
    Priming,
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

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Priming => f.write_str("priming run"),
            Self::Producer => f.write_str("producer"),
            Self::Consumers { of: 1, .. } => f.write_str("consumer"),
            Self::Consumers { from, to, of } if from == to => write!(f, "consumer {from} of {of}"),
            Self::Consumers { from, to, of } => write!(f, "consumers {from} to {to} of {of}"),
        }
    }
}

/// What all trials of a run share.
pub struct Bench<'a> {
    /// Where jobs live.
    pub workspace: &'a mut Workspace,
    /// The service's process.
    pub service: &'a Client,
    /// Programs.
    pub tools: &'a ToolPaths,
    /// Image of `docker-container` builders, if the plan has any.
    pub buildkit: Option<&'a BuildkitImage>,
    /// The user's daemon, for engines that use it.
    pub lent: Option<&'a Lent>,
    /// Identifier of the environment.
    pub environment: &'a str,
    /// Time limit of a side.
    pub timeout: Duration,
    /// Seed of the image's content.
    pub seed: u64,
    /// Cores that the run may use.
    pub cores: u32,
    /// The user's own image.
    pub own: Option<&'a OwnImage>,
    /// Its tar, where it comes from the user's daemon.
    pub given: Option<&'a Path>,
    /// The wish to end.
    pub cancel: &'a Cancel,
    /// How a job's process is started.
    pub(crate) launch: Launch,
    /// Waits between the sides until dirty pages are written back; the time in ns.
    pub(crate) settle: fn() -> u64,
}

struct Course<'a, 'b> {
    bench: &'b mut Bench<'a>,
    trial: &'b Trial,
    strategy: Box<dyn Strategy>,
    image: ImageSource,
    logs: PathBuf,
    join: TrialJoin<'b>,
    columns: BTreeMap<String, String>,
}

/// Runs a trial. A failure of the trial is a record; an error is something that ends the run.
pub fn run(bench: &mut Bench, trial: &Trial, logs: PathBuf, note: &mut dyn FnMut(Part)) -> Result<TrialRows, RunError> {
    let started_at = now();
    let strategy = handoff_strategies::find(&trial.cell.strategy).map_err(|e| RunError::Job(e.to_string()))?;
    let image = ImageSource::of(trial, bench.own, bench.seed)?;
    let mut join = TrialJoin::new(trial, bench.seed, strategy.facts().moves_image);
    join.environment = Some(bench.environment.to_owned());
    join.started_at = Some(started_at);
    join.contended = trial.cell.conditions.is_contended(bench.cores);
    let mut course = Course { bench, trial, strategy, image, logs, join, columns: BTreeMap::new() };
    let result = match course.measure(note) {
        Ok(measured) => Ok(measured),
        Err(NoAnswer::Run(error)) => return Err(error),
        Err(NoAnswer::Trial(outcome, failure)) => Err((outcome, failure)),
    };
    // Also after a failure: the next trial starts with an empty service.
    course.bench.service.purge(&run_name(trial)).map_err(|e| RunError::Service(e.to_string()))?;
    let Course { mut join, mut columns, .. } = course;
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

impl Course<'_, '_> {
    fn measure(&mut self, note: &mut dyn FnMut(Part)) -> Result<Measured, NoAnswer> {
        self.rest()?;
        let state = self.trial.cell.conditions.cache_state;
        let nonce = &self.trial.nonce;
        let more = self.strategy.more_builds();
        let mut earlier = Earlier::of(&self.image, state, &*self.strategy, nonce)?;
        earlier.extend(Earlier::pushes(&self.image, more.earlier_pushes, nonce)?);
        let others = earlier::others(&self.image, more.other_images, nonce)?;
        let mut primed = None;
        for (number, earlier) in (1..).zip(&earlier) {
            primed = self.prime(note, number, earlier)?;
        }
        let before = self.usage()?;
        let mut settle_ns = (self.bench.settle)();
        let commit = (!earlier.is_empty()).then(|| earlier::THIS_COMMIT.to_owned());
        let image = self.image.clone();
        let mut ticket = None;
        let mut producer = None;
        if self.strategy.facts().has_producer {
            note(Part::Producer);
            let ask = Ask { commit: commit.clone(), primed, others, ..Ask::producer("producer", &image) };
            let side = self.one(ask)?;
            ticket = Some(side.finished.ticket.clone());
            producer = Some(side);
            settle_ns += (self.bench.settle)();
        }
        let content = self.image.content_digest().map_err(RunError::from)?;
        self.join.expect_image(producer.as_ref().map(|p| &p.identity), content.as_ref());
        let mut consumers: Vec<SideResult> = Vec::new();
        let all = self.trial.cell.conditions.consumers;
        let at_once = self.trial.cell.conditions.consumer_concurrency.max(1);
        let mut next = 1;
        while next <= all {
            if next > 1 {
                settle_ns += (self.bench.settle)();
            }
            let to = all.min(next + at_once - 1);
            note(Part::Consumers { from: next, to, of: all });
            // Without a producer nobody tells a consumer anything.
            let ticket = ticket.clone().unwrap_or_default();
            let asks = (next..=to).map(|n| Ask { commit: commit.clone(), ..Ask::consumer(n, &image, ticket.clone()) });
            let sides = self.sides(asks.collect())?;
            for (number, side) in (next..).zip(sides) {
                let report = side.report(self.bench.environment);
                let gate = self.join.add_consumer(number, &report, &side.identity);
                gate.map_err(|failure| NoAnswer::Trial(Outcome::Failed, failure))?;
                consumers.push(side);
            }
            next = to + 1;
        }
        let after = self.usage()?;
        let environment = self.bench.environment;
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
        note: &mut dyn FnMut(Part),
        number: u32,
        earlier: &Earlier,
    ) -> Result<Option<ImageIdentity>, NoAnswer> {
        note(Part::Priming);
        let name = if number == 1 { "priming".to_owned() } else { format!("priming-{number}") };
        let (spans, columns) = (self.join.span_count(), self.columns.clone());
        let ask = Ask { commit: Some(earlier.commit.clone()), ..Ask::producer(&name, &earlier.image) };
        let primed = self.one(ask);
        self.join.keep_spans(spans);
        self.columns = columns;
        self.rest()?;
        match primed {
            Ok(side) => Ok((earlier.commit == earlier::THIS_COMMIT).then_some(side.identity)),
            Err(NoAnswer::Trial(outcome, f)) => {
                Err(NoAnswer::Trial(outcome, Failure::new("priming", format!("{}: {}", f.span, f.error))))
            }
            Err(other) => Err(other),
        }
    }

    /// What was counted against limits of time belongs to another workflow run than what comes now.
    fn rest(&self) -> Result<(), RunError> {
        self.bench.service.rest().map_err(|e| RunError::Service(e.to_string()))
    }

    fn usage(&mut self) -> Result<ServiceUsage, RunError> {
        self.bench.service.usage().map_err(|e| RunError::Service(e.to_string()))
    }
}

impl SideResult {
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
