//! One trial: producer, ticket, consumers, identity, and the one place where all of it is joined into a measurement.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_engine::buildkit::BuildkitImage;
use handoff_engine::user::Lent;
use handoff_fixtures::ImageSource;
use handoff_model::rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};
use handoff_model::span::build_ns;
use handoff_model::{Failure, IdentityCheck, ImageIdentity, Outcome, OwnImage, StrategyFacts, Trial, plan};
use handoff_service::control::Client;
use handoff_strategies::Strategy;
use handoff_strategies::recorder::{CLIENT, SOURCE};

use crate::protocol::ToolPaths;
use crate::remote::NoAnswer;
use crate::settle::settle;
use crate::workspace::Workspace;
use crate::{Cancel, DriverError};

mod earlier;
mod side;

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
    let column = |name: &str| course.columns.get(name).cloned().unwrap_or_default();
    let measurement = Measurement {
        trial: trial.clone(),
        environment: course.bench.environment.to_owned(),
        started_at,
        source: column(SOURCE),
        client: column(CLIENT),
        seed: course.bench.seed,
        contended: trial.cell.conditions.is_contended(course.bench.cores),
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
        let earlier = Earlier::of(&self.image, state, self.facts, &self.trial.cell.strategy, &self.trial.nonce)?;
        let primed = match &earlier {
            Some(earlier) => self.prime(note, earlier)?,
            None => None,
        };
        let cpu_before = self.usage()?.0;
        let mut settle_ns = settle();
        let commit = earlier.map(|_| earlier::THIS_COMMIT.to_owned());
        let image = self.image.clone();
        let mut ticket = None;
        let mut producer = None;
        if self.facts.has_producer {
            note(Part::Producer);
            let ask = Ask { commit: commit.clone(), primed, ..Ask::producer("producer", &image) };
            let side = self.one(ask)?;
            ticket = Some(side.finished.ticket.clone());
            producer = Some(side);
            settle_ns += settle();
        }
        let content = self.image.content_digest().map_err(DriverError::from)?;
        let mut consumers: Vec<SideResult> = Vec::new();
        let all = self.trial.cell.conditions.consumers;
        let at_once = self.trial.cell.conditions.consumer_concurrency.max(1);
        let mut next = 1;
        while next <= all {
            if next > 1 {
                settle_ns += settle();
            }
            let to = all.min(next + at_once - 1);
            note(Part::Consumers { from: next, to, of: all });
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
                if number == 1 || !refused.is_empty() {
                    *identity = check.clone();
                }
                if !refused.is_empty() {
                    let error = format!("{} not proven equal; {}", refused.join(", "), check.note);
                    return Err(failed("identity", error.trim_end_matches("; ")));
                }
                rows.push(consumer_row(self.bench.environment, self.trial, number, &side, &check));
                consumers.push(side);
            }
            next = to + 1;
        }
        let (cpu_after, service_peak) = self.usage()?;
        let image_bytes = self.image.predicted_bytes().or_else(|| consumers.first()?.identity.tree_bytes);
        Ok(join(producer.as_ref(), &consumers, image_bytes, |m| {
            m.service_cpu_ns = cpu_after.saturating_sub(cpu_before);
            m.service_peak_memory_bytes = service_peak;
            m.settle_ns = settle_ns;
        }))
    }

    /// The priming run, off every clock: nothing of it enters the row but what the trial finds of it. Gives the identity of
    /// its image, where it is that of the trial's own commit.
    fn prime(&mut self, note: &mut dyn FnMut(Part), earlier: &Earlier) -> Result<Option<ImageIdentity>, NoAnswer> {
        note(Part::Priming);
        let (spans, columns) = (self.spans.len(), self.columns.clone());
        let ask = Ask { commit: Some(earlier.commit.to_owned()), ..Ask::producer("priming", &earlier.image) };
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

    fn usage(&mut self) -> Result<(u64, u64), DriverError> {
        let usage = self.bench.service.usage().map_err(|e| DriverError::Service(e.to_string()))?;
        Ok((usage.cpu_ns, usage.peak_rss_bytes))
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

fn consumer_row(
    environment: &str,
    trial: &Trial,
    number: u32,
    side: &SideResult,
    check: &IdentityCheck,
) -> ConsumerRow {
    ConsumerRow {
        schema_version: plan::SCHEMA_VERSION,
        trial: trial.id.clone(),
        consumer: number,
        consume_ns: side.finished.wall_ns,
        bytes_up: Some(side.counters.bytes_up),
        bytes_down: Some(side.counters.bytes_down),
        requests: Some(side.counters.requests),
        retries: Some(side.counters.retries),
        cpu_ns: side.finished.usage.cpu_ns,
        peak_memory_bytes: side.finished.usage.peak_memory_bytes,
        peak_disk_bytes: side.finished.usage.peak_disk_bytes,
        index_equal: check.index,
        config_equal: check.config,
        layers_equal: check.layers,
        content_equal: check.content,
        environment: environment.to_owned(),
    }
}

/// Joins the sides into what the row says.
fn join(
    producer: Option<&SideResult>,
    consumers: &[SideResult],
    image_bytes: Option<u64>,
    rest: impl FnOnce(&mut Measured),
) -> Measured {
    let sides: Vec<&SideResult> = producer.into_iter().chain(consumers).collect();
    let sum = |value: &dyn Fn(&SideResult) -> u64| sides.iter().map(|s| value(s)).sum::<u64>();
    let most = |value: &dyn Fn(&SideResult) -> u64| consumers.iter().map(value).max().unwrap_or(0);
    let peak = |value: &dyn Fn(&SideResult) -> Option<u64>| consumers.iter().filter_map(value).max();
    let mut measured = Measured {
        produce_ns: producer.map(|p| p.finished.wall_ns),
        consume_ns: most(&|c| c.finished.wall_ns),
        runner_ns: sum(&|s| s.finished.wall_ns),
        build_ns: build_ns(&sides.first().map(|s| s.finished.spans.clone()).unwrap_or_default()),
        bytes_up: sum(&|s| s.counters.bytes_up),
        bytes_down: sum(&|s| s.counters.bytes_down),
        bytes_stored: producer.map_or(0, |p| p.counters.stored_bytes),
        entries_stored: producer.map_or(0, |p| p.counters.entries),
        entries_reused: producer.map(|p| p.counters.entries_found),
        bytes_reused: producer.map(|p| p.counters.bytes_found),
        producer_steps: producer.map(|p| p.finished.steps),
        requests: sum(&|s| s.counters.requests),
        retries: sum(&|s| s.counters.retries),
        connections: sum(&|s| s.counters.connections),
        producer_cpu_ns: producer.and_then(|p| p.finished.usage.cpu_ns),
        consumer_cpu_ns: consumers.iter().map(|c| c.finished.usage.cpu_ns).sum(),
        producer_peak_memory_bytes: producer.and_then(|p| p.finished.usage.peak_memory_bytes),
        consumer_peak_memory_bytes: peak(&|c| c.finished.usage.peak_memory_bytes),
        producer_peak_disk_bytes: producer.and_then(|p| p.finished.usage.peak_disk_bytes),
        consumer_peak_disk_bytes: peak(&|c| c.finished.usage.peak_disk_bytes),
        service_cpu_ns: 0,
        service_peak_memory_bytes: 0,
        harness_wall_ns: sum(&|s| s.finished.usage.harness_wall_ns),
        harness_cpu_ns: sum(&|s| s.finished.usage.harness_cpu_ns),
        load_1m: sides.first().map_or(0.0, |s| s.finished.usage.load_1m),
        cpu_pressure_ns: sides.iter().map(|s| s.finished.usage.cpu_pressure_ns).sum(),
        steal_ns: sum(&|s| s.finished.usage.steal_ns),
        settle_ns: 0,
        image_bytes,
        throttled: Some(sum(&|s| s.counters.throttled)),
        producer_written_bytes: producer.and_then(|p| p.written_bytes),
    };
    rest(&mut measured);
    measured
}
