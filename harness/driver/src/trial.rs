//! One trial: producer, ticket, consumers, identity, and the one place where all of it is joined into a measurement.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use handoff_engine::buildkit::BuildkitImage;
use handoff_engine::leftovers;
use handoff_engine::user::{Lent, Made};
use handoff_fixtures::{ImageSpec, PROBE_PATH};
use handoff_model::rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};
use handoff_model::span::build_ns;
use handoff_model::{
    Builder, Failure, IdentityCheck, ImageIdentity, Outcome, Side, StrategyFacts, Ticket, Trial, plan,
};
use handoff_service::control::Client;
use handoff_service::{Counters, TokenSpec};
use handoff_strategies::Strategy;
use handoff_strategies::recorder::{CLIENT, SOURCE};

use crate::protocol::{Finished, JobSpec, ToolPaths};
use crate::remote::{NoAnswer, RemoteJob};
use crate::settle::settle;
use crate::workspace::Workspace;
use crate::{Cancel, DriverError};

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
    /// The wish to end.
    pub cancel: &'a Cancel,
}

/// One job's part of a trial.
struct SideResult {
    finished: Finished,
    counters: Counters,
    identity: ImageIdentity,
}

struct Course<'a, 'b> {
    bench: &'b mut Bench<'a>,
    trial: &'b Trial,
    strategy: &'static dyn Strategy,
    facts: &'static StrategyFacts,
    image: ImageSpec,
    logs: PathBuf,
    spans: Vec<SpanRow>,
    columns: BTreeMap<String, String>,
}

/// Runs a trial. A failure of the trial is a record; an error is something that ends the run.
pub fn run(
    bench: &mut Bench,
    trial: &Trial,
    logs: PathBuf,
    note: &mut dyn FnMut(Side),
) -> Result<TrialRecord, DriverError> {
    let started_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let strategy = handoff_strategies::find(&trial.cell.strategy).map_err(|e| DriverError::Job(e.to_string()))?;
    let workload = handoff_fixtures::load_workload(&trial.cell.workload)?;
    let image = ImageSpec::new(&workload, trial.cell.size.bytes(), Some(bench.seed), &trial.nonce)?;
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
        note: &mut dyn FnMut(Side),
        identity: &mut IdentityCheck,
        rows: &mut Vec<ConsumerRow>,
    ) -> Result<Measured, NoAnswer> {
        let cpu_before = self.usage()?.0;
        let mut settle_ns = settle();
        let mut ticket = Ticket::default();
        let mut producer = None;
        let mut built = None;
        if self.facts.has_producer {
            note(Side::Producer);
            let side = self.side(Side::Producer, None, &ticket)?;
            ticket = side.finished.ticket.clone();
            built = Some(side.identity.clone());
            producer = Some(side);
            settle_ns += settle();
        }
        let content = self.image.content_digest().map_err(DriverError::from)?;
        let mut consumers: Vec<SideResult> = Vec::new();
        for number in 1..=self.trial.cell.conditions.consumers {
            if number > 1 {
                settle_ns += settle();
            }
            note(Side::Consumer);
            let side = self.side(Side::Consumer, Some(number), &ticket)?;
            let check = check(built.as_ref(), &content, &side.identity);
            // The row shows the worst of its consumers.
            let refused = check.refused(self.facts.moves_image);
            if number == 1 || !refused.is_empty() {
                *identity = check.clone();
            }
            if !refused.is_empty() {
                let error = format!("{} not proven equal; {}", refused.join(", "), check.note);
                return Err(NoAnswer::Trial(Outcome::Failed, Failure::new("identity", error.trim_end_matches("; "))));
            }
            rows.push(consumer_row(self.bench.environment, self.trial, number, &side, &check));
            consumers.push(side);
        }
        let (cpu_after, service_peak) = self.usage()?;
        Ok(join(producer.as_ref(), &consumers, self.image.predicted_bytes(), |m| {
            m.service_cpu_ns = cpu_after.saturating_sub(cpu_before);
            m.service_peak_memory_bytes = service_peak;
            m.settle_ns = settle_ns;
        }))
    }

    fn usage(&mut self) -> Result<(u64, u64), DriverError> {
        let usage = self.bench.service.usage().map_err(|e| DriverError::Service(e.to_string()))?;
        Ok((usage.cpu_ns, usage.peak_rss_bytes))
    }

    /// Runs one job from its fresh engine to its end, and leaves nothing of it.
    fn side(&mut self, side: Side, consumer: Option<u32>, ticket: &Ticket) -> Result<SideResult, NoAnswer> {
        let service = |e: &dyn std::fmt::Display| DriverError::Service(e.to_string());
        let name = consumer.map_or_else(|| side.to_string(), |n| format!("{side}-{n}"));
        let job_name = format!("{}-{name}", &self.trial.nonce[..8]);
        let conditions = self.trial.cell.conditions.clone();
        let image = format!("handoff/trial:{}", self.trial.nonce);
        let made = self.bench.lent.map(|lent| Made::by(conditions.engine, lent, &job_name, &image));
        let root = self.bench.workspace.add_job(&job_name, made)?;
        let token_spec = TokenSpec {
            run: run_name(self.trial),
            job: name.clone(),
            trial: self.trial.id.clone(),
            side: side.to_string(),
            ..TokenSpec::default()
        };
        let token = self.bench.service.mint(token_spec).map_err(|e| service(&e))?;
        let spec = JobSpec {
            job: job_name.clone(),
            side,
            root: root.clone(),
            logs: self.logs.join(&name),
            buildkit: self.buildkit(side),
            strategy: self.trial.cell.strategy.clone(),
            conditions,
            name: format!("handoff-{}", self.trial.nonce),
            image,
            answer: self.image.answer(),
            digest_command: vec![PROBE_PATH.to_owned(), "digest".to_owned()],
            service_env: self.bench.service.client_env(&token).into_iter().collect(),
            tools: self.bench.tools.clone(),
            lent: self.bench.lent.cloned(),
            ticket: consumer.map(|_| ticket.clone()),
        };
        let sources = root.join("sources");
        fs::create_dir_all(&sources).map_err(DriverError::io("create", &sources))?;
        self.image.write_context(&sources).map_err(DriverError::from)?;
        let outcome = self.run_job(&spec, &token, consumer);
        // Whatever happened: the token is dead, the processes are gone, the files too.
        self.bench.service.revoke(&token).map_err(|e| service(&e))?;
        self.bench.workspace.remove_job(&job_name)?;
        if leftovers::has_cgroups(&job_name) {
            return Err(DriverError::Job(format!("cgroups of {job_name} could not be removed")).into());
        }
        outcome
    }

    /// The image of the builder that this side boots, if it builds by one of its own.
    fn buildkit(&self, side: Side) -> Option<BuildkitImage> {
        let own = self.trial.cell.conditions.builder == Builder::DockerContainer && self.strategy.builds(side);
        self.bench.buildkit.filter(|_| own).cloned()
    }

    fn run_job(&mut self, spec: &JobSpec, token: &str, consumer: Option<u32>) -> Result<SideResult, NoAnswer> {
        let (mut job, _) = RemoteJob::start(spec, &self.bench.tools.handoff, self.bench.cancel)?;
        let result = self.use_job(&mut job, spec, token, consumer);
        match result {
            // A failed trial's job ends in good order too: its daemons' logs are kept then.
            Ok(_) | Err(NoAnswer::Trial(Outcome::Failed, _)) => job.stop()?,
            // Nobody waits for a job that hangs, or when the run ends.
            Err(_) => drop(job),
        }
        result
    }

    /// Keeps what the service saw of the job with the trial's logs: for people and for tests, no column is made from it.
    fn keep_requests(&self, spec: &JobSpec, token: &str) {
        let log = self.bench.service.request_log(token).ok().and_then(|l| serde_json::to_vec(&l).ok());
        if let Some(log) = log {
            let _ = fs::write(spec.logs.join("requests.json"), log);
        }
    }

    fn use_job(
        &mut self,
        job: &mut RemoteJob,
        spec: &JobSpec,
        token: &str,
        consumer: Option<u32>,
    ) -> Result<SideResult, NoAnswer> {
        let service = |e: &dyn std::fmt::Display| DriverError::Service(e.to_string());
        let finished = job.run(self.bench.timeout, self.bench.cancel)?;
        self.spans.extend(finished.spans.iter().map(|s| SpanRow::new(&self.trial.id, spec.side, consumer, s)));
        for (name, value) in &finished.facts {
            self.columns.insert(name.clone(), value.clone());
        }
        if let Some(failure) = finished.failure {
            return Err(NoAnswer::Trial(Outcome::Failed, failure));
        }
        let counters = self.bench.service.counters(token).map_err(|e| service(&e))?;
        if spec.side == Side::Producer {
            self.bench.service.revoke(token).map_err(|e| service(&e))?;
        }
        self.keep_requests(spec, token);
        let identity = job.identify(self.bench.cancel)?;
        let after = self.bench.service.counters(token).map_err(|e| service(&e))?;
        if after.requests != counters.requests {
            let more = after.requests - counters.requests;
            let error =
                format!("{more} requests to the service after the clock had stopped: something was not there yet");
            return Err(NoAnswer::Trial(Outcome::Failed, Failure::new("request-during-verification", error)));
        }
        Ok(SideResult { finished, counters, identity })
    }
}

/// Compares what arrived with what was built. Content is known beforehand, from the generator.
fn check(built: Option<&ImageIdentity>, content: &str, arrived: &ImageIdentity) -> IdentityCheck {
    let reference = match built {
        Some(built) => ImageIdentity { content: Some(content.to_owned()), ..built.clone() },
        None => ImageIdentity {
            content: Some(content.to_owned()),
            notes: vec!["no producer: nothing but content to compare with".to_owned()],
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
    image_bytes: u64,
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
        entries_reused: producer.map(|_| 0),
        bytes_reused: producer.map(|_| 0),
        producer_steps: None,
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
        image_bytes: Some(image_bytes),
    };
    rest(&mut measured);
    measured
}
