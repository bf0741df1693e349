//! One trial: producer, ticket, consumers, identity, and the one place where all of it is joined into a measurement.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::user::Lent;
use handoff_fixtures::ImageSource;
use handoff_model::ServiceUsage;
use handoff_model::{Failure, IdentityCheck, ImageIdentity, Outcome, OwnImage, StrategyFacts, Trial};
use handoff_records::join::{JobReport, TrialReport, consumer_row};
use handoff_records::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};
use handoff_services::control::Client;
use handoff_strategies::Strategy;
use handoff_strategies::recorder::{CLIENT, SOURCE};

use crate::protocol::ToolPaths;
use crate::remote::{Launch, NoAnswer};
use crate::workspace::Workspace;
use crate::{Cancel, DriverError};

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

/// What a trial leaves for the journal.
#[derive(Debug)]
pub struct TrialRecord {
    /// Rows of `consumers.csv`; none after a failure.
    pub consumers: Vec<ConsumerRow>,
    /// Rows of `spans.csv`, also of the part that ran before a failure.
    pub spans: Vec<SpanRow>,
    /// The row of `measurements.csv`.
    pub measurement: Measurement,
}

impl TrialRecord {
    /// The measurement as a row.
    pub fn row(&self) -> MeasurementRow {
        MeasurementRow::from(&self.measurement)
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
    strategy: &'static dyn Strategy,
    facts: &'static StrategyFacts,
    image: ImageSource,
    logs: PathBuf,
    spans: Vec<SpanRow>,
    columns: BTreeMap<String, String>,
}

/// Runs a trial. A failure of the trial is a record; an error is something that ends the run.
pub fn run(
    bench: &mut Bench,
    trial: &Trial,
    logs: PathBuf,
    note: &mut dyn FnMut(Part),
) -> Result<TrialRecord, DriverError> {
    let started_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let strategy = handoff_strategies::find(&trial.cell.strategy).map_err(|e| DriverError::Job(e.to_string()))?;
    let image = ImageSource::of(trial, bench.own, bench.seed)?;
    let mut course = Course {
        bench,
        trial,
        strategy,
        facts: strategy.facts(),
        image,
        logs,
        spans: Vec::new(),
        columns: BTreeMap::new(),
    };
    let mut identity = IdentityCheck::default();
    let mut consumers = Vec::new();
    let result = match course.measure(note, &mut identity, &mut consumers) {
        Ok(measured) => Ok(Box::new(measured)),
        Err(NoAnswer::Run(error)) => return Err(error),
        Err(NoAnswer::Trial(outcome, failure)) => Err((outcome, failure)),
    };
    // Also after a failure: the next trial starts with an empty service.
    course.bench.service.purge(&run_name(trial)).map_err(|e| DriverError::Service(e.to_string()))?;
    // Empty where no tar or no bytes are moved, as the columns say.
    let column = |name: &str| course.columns.get(name).cloned().unwrap_or_default();
    let measurement = Measurement {
        trial: trial.clone(),
        environment: Some(course.bench.environment.to_owned()),
        started_at: Some(started_at),
        source: column(SOURCE),
        client: column(CLIENT),
        seed: course.bench.seed,
        contended: trial.cell.conditions.is_contended(course.bench.cores),
        queue_ns: None,
        identity,
        result,
    };
    if measurement.result.is_err() {
        consumers.clear();
    }
    Ok(TrialRecord { consumers, spans: course.spans, measurement })
}

/// The trial's name at the service: everything it stores is purged under it.
fn run_name(trial: &Trial) -> String {
    trial.id.clone()
}

impl Course<'_, '_> {
    fn measure(
        &mut self,
        note: &mut dyn FnMut(Part),
        identity: &mut IdentityCheck,
        rows: &mut Vec<ConsumerRow>,
    ) -> Result<Measured, NoAnswer> {
        self.rest()?;
        let state = self.trial.cell.conditions.cache_state;
        let (spec, nonce) = (&self.trial.cell.strategy, &self.trial.nonce);
        let more = self.strategy.more_builds(spec);
        let mut earlier = Earlier::of(&self.image, state, self.facts, spec, nonce)?;
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
        if self.facts.has_producer {
            note(Part::Producer);
            let ask = Ask { commit: commit.clone(), primed, others, ..Ask::producer("producer", &image) };
            let side = self.one(ask)?;
            ticket = Some(side.finished.ticket.clone());
            producer = Some(side);
            settle_ns += (self.bench.settle)();
        }
        let content = self.image.content_digest().map_err(DriverError::from)?;
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
                let check = check(producer.as_ref().map(|p| &p.identity), content.as_ref(), &side.identity);
                // The row shows the worst of its consumers.
                let mut refused = check.refused(self.facts.moves_image);
                if content.is_none() && producer.is_none() {
                    // Nothing was handed over, and nobody knows beforehand what the user's own build makes.
                    refused.retain(|level| *level != "content");
                }
                *identity = if number == 1 || !refused.is_empty() {
                    check.clone()
                } else {
                    std::mem::take(identity).worst(&check)
                };
                if !refused.is_empty() {
                    let error = format!("{} not proven equal; {}", refused.join(", "), check.note);
                    return Err(failed("identity", error.trim_end_matches("; ")));
                }
                rows.push(consumer_row(self.trial, number, &side.report(self.bench.environment), &check));
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
        let (spans, columns) = (self.spans.len(), self.columns.clone());
        let ask = Ask { commit: Some(earlier.commit.clone()), ..Ask::producer(&name, &earlier.image) };
        let primed = self.one(ask);
        self.spans.truncate(spans);
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
    fn rest(&self) -> Result<(), DriverError> {
        self.bench.service.rest().map_err(|e| DriverError::Service(e.to_string()))
    }

    fn usage(&mut self) -> Result<ServiceUsage, DriverError> {
        self.bench.service.usage().map_err(|e| DriverError::Service(e.to_string()))
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

/// Compares what arrived with what was built. A synthetic image's content is known beforehand, from the generator; of another one
/// it is what the probe found on the producer's side.
fn check(built: Option<&ImageIdentity>, content: Option<&String>, arrived: &ImageIdentity) -> IdentityCheck {
    let reference = match built {
        Some(built) => ImageIdentity { content: content.or(built.content.as_ref()).cloned(), ..built.clone() },
        None => ImageIdentity {
            content: content.cloned(),
            notes: vec![
                if content.is_some() {
                    "no producer: nothing but content to compare with"
                } else {
                    "no producer: nothing to compare with"
                }
                .to_owned(),
            ],
            ..ImageIdentity::default()
        },
    };
    IdentityCheck::compare(&reference, arrived)
}
