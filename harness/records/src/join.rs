//! Join of the reports of a trial's jobs into rows, for local trials and for trials on GitHub.
//!
//! A runner reports the values it knows and leaves the rest none. A column is empty because its value is unknown, never because somebody
//! erased it afterwards.

use handoff_model::span::build_ns;
use handoff_model::{
    Counters, Failure, IdentityCheck, ImageIdentity, Outcome, Role, RoleUsage, ServiceUsage, Span, StepCount, Trial,
    plan,
};

use crate::rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};

/// Report of one job that ended well.
#[derive(Debug, Clone, Copy)]
pub struct JobReport<'a> {
    /// Clock, in ns.
    pub wall_ns: u64,
    /// Spans.
    pub spans: &'a [Span],
    /// Resources.
    pub usage: &'a RoleUsage,
    /// Steps of the Dockerfile in its builds; none without BuildKit's trace, so that the time of the build is not known either.
    pub steps: Option<StepCount>,
    /// Traffic that the service counted; none where the service is not ours.
    pub traffic: Option<&'a Counters>,
    /// Bytes that reached its disk; none where the job has no disk of its own, or is no producer.
    pub written_bytes: Option<u64>,
    /// Identifier of its environment.
    pub environment: &'a str,
}

impl JobReport<'_> {
    /// The time in which steps of the Dockerfile were executed.
    fn build_ns(&self) -> Option<u64> {
        self.steps.map(|_| build_ns(self.spans))
    }
}

/// Report of a trial that ended well.
#[derive(Debug)]
pub struct TrialReport<'a> {
    /// The producer's job; none for a strategy without one.
    pub producer: Option<JobReport<'a>>,
    /// The consumers' jobs.
    pub consumers: Vec<JobReport<'a>>,
    /// Resources of the service over the trial; none where the service is not ours.
    pub service: Option<ServiceUsage>,
    /// Time between producer and consumers until dirty pages were written back; none where nobody waited.
    pub settle_ns: Option<u64>,
    /// Size of the image.
    pub image_bytes: Option<u64>,
}

impl TrialReport<'_> {
    /// Joins the jobs. A sum or a maximum is none where one of its parts is: the rest alone would mislead.
    pub fn measured(&self) -> Measured {
        let Self { producer, consumers, service, settle_ns, image_bytes } = self;
        let jobs: Vec<&JobReport> = producer.iter().chain(consumers).collect();
        let sum = |value: fn(&JobReport) -> Option<u64>| jobs.iter().map(|j| value(j)).sum::<Option<u64>>();
        let most = |value: fn(&JobReport) -> Option<u64>| {
            let all: Option<Vec<u64>> = consumers.iter().map(value).collect();
            all?.into_iter().max()
        };
        // Without a producer nothing is stored: a service of ours has counted that, too.
        let counted = jobs.iter().all(|j| j.traffic.is_some());
        let stored = producer.and_then(|p| p.traffic);
        let clocks = Measured::clocks(
            producer.map(|p| p.wall_ns),
            consumers.iter().map(|c| c.wall_ns).max().unwrap_or(0),
            jobs.iter().map(|j| j.wall_ns).sum(),
        );
        Measured {
            build_ns: jobs.first().and_then(|j| j.build_ns()),
            bytes_up: sum(|j| Some(j.traffic?.bytes_up)),
            bytes_down: sum(|j| Some(j.traffic?.bytes_down)),
            bytes_stored: counted.then(|| stored.map_or(0, |c| c.stored_bytes)),
            entries_stored: counted.then(|| stored.map_or(0, |c| c.entries)),
            entries_reused: stored.map(|c| c.entries_found),
            bytes_reused: stored.map(|c| c.bytes_found),
            producer_steps: producer.and_then(|p| p.steps),
            requests: sum(|j| Some(j.traffic?.requests)),
            retries: sum(|j| Some(j.traffic?.retries)),
            connections: sum(|j| Some(j.traffic?.connections)),
            producer_cpu_ns: producer.and_then(|p| p.usage.cpu_ns),
            consumer_cpu_ns: consumers.iter().map(|c| c.usage.cpu_ns).sum(),
            producer_peak_memory_bytes: producer.and_then(|p| p.usage.peak_memory_bytes),
            consumer_peak_memory_bytes: most(|c| c.usage.peak_memory_bytes),
            producer_peak_disk_bytes: producer.and_then(|p| p.usage.peak_disk_bytes),
            consumer_peak_disk_bytes: most(|c| c.usage.peak_disk_bytes),
            service_cpu_ns: service.map(|s| s.cpu_ns),
            service_peak_memory_bytes: service.and_then(|s| s.peak_rss_bytes),
            harness_wall_ns: sum(|j| j.usage.harness_wall_ns),
            harness_cpu_ns: sum(|j| j.usage.harness_cpu_ns),
            load_1m: jobs.first().and_then(|j| j.usage.load_1m),
            cpu_pressure_ns: sum(|j| j.usage.cpu_pressure_ns),
            steal_ns: sum(|j| j.usage.steal_ns),
            settle_ns: *settle_ns,
            image_bytes: *image_bytes,
            throttled: sum(|j| Some(j.traffic?.throttled)),
            producer_written_bytes: producer.and_then(|p| p.written_bytes),
            ..clocks
        }
    }
}

/// Rows of a trial, however it ended.
#[derive(Debug)]
pub struct TrialRows {
    /// Rows of `consumers.csv`; none after a failure.
    pub consumers: Vec<ConsumerRow>,
    /// Rows of `spans.csv`, also of the part that ran before a failure.
    pub spans: Vec<SpanRow>,
    /// The row of `measurements.csv`.
    pub measurement: MeasurementRow,
}

/// Builder of a trial's rows: the only constructor, for completed, failed and skipped trials, here and on GitHub.
#[derive(Debug)]
pub struct TrialJoin<'a> {
    trial: &'a Trial,
    seed: u64,
    moves_image: bool,
    /// Identifier of the environment; none where no job of the trial reported it.
    pub environment: Option<String>,
    /// Start, RFC 3339, UTC; none where no job of the trial reported it.
    pub started_at: Option<String>,
    /// `output` or `save`: where the tar came from; empty where there is none.
    pub source: String,
    /// Name and version of the program that moved the bytes; empty where none did.
    pub client: String,
    /// `import` or `pull`: how the image came into the consumers' engines; empty where the strategy has one way only.
    pub import: String,
    /// Whether more consumers ran at once than half the cores.
    pub contended: bool,
    /// Time in which the jobs of the critical path waited for a runner; none where it was not reported.
    pub queue_ns: Option<u64>,
    reference: ImageIdentity,
    content_is_unknown: bool,
    identity: Option<IdentityCheck>,
    consumers: Vec<ConsumerRow>,
    spans: Vec<SpanRow>,
}

impl<'a> TrialJoin<'a> {
    /// A trial of a plan with that seed, of a strategy that moves the image or not.
    pub fn new(trial: &'a Trial, seed: u64, moves_image: bool) -> Self {
        Self {
            trial,
            seed,
            moves_image,
            environment: None,
            started_at: None,
            source: String::new(),
            client: String::new(),
            import: String::new(),
            contended: false,
            queue_ns: None,
            reference: ImageIdentity::default(),
            content_is_unknown: true,
            identity: None,
            consumers: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Adds a job's spans.
    pub fn add_spans(&mut self, role: Role, consumer: Option<u32>, spans: &[Span]) {
        self.spans.extend(spans.iter().map(|span| SpanRow::new(&self.trial.id, role, consumer, span)));
    }

    /// The number of spans so far.
    pub fn span_count(&self) -> usize {
        self.spans.len()
    }

    /// Drops all spans but the first `count`.
    pub fn keep_spans(&mut self, count: usize) {
        self.spans.truncate(count);
    }

    /// Sets the image that consumers must receive. The generator knows a synthetic image's content beforehand; the content of
    /// another one is what the probe found on the producer's side.
    pub fn expect_image(&mut self, built: Option<&ImageIdentity>, content: Option<&String>) {
        let no_producer = || {
            let note = match content {
                Some(_) => "no producer: nothing but content to compare with",
                None => "no producer: nothing to compare with",
            };
            ImageIdentity { notes: vec![note.to_owned()], ..ImageIdentity::default() }
        };
        let built_content = built.and_then(|b| b.content.as_ref());
        let content = content.or(built_content).cloned();
        // Nothing was handed over, and nobody knows beforehand what the user's own build makes.
        self.content_is_unknown = built.is_none() && content.is_none();
        self.reference = ImageIdentity { content, ..built.cloned().unwrap_or_else(no_producer) };
    }

    /// Adds a consumer that has an image, after the gate of identity.
    ///
    /// # Errors
    /// The gate: a level that is demanded is not proven equal.
    pub fn add_consumer(&mut self, number: u32, job: &JobReport, arrived: &ImageIdentity) -> Result<(), Failure> {
        let check = IdentityCheck::compare(&self.reference, arrived);
        let mut refused = check.refused(self.moves_image);
        refused.retain(|level| !(self.content_is_unknown && *level == "content"));
        // The row shows the worst of its consumers, and of a failed one only that.
        let so_far = self.identity.take().filter(|_| refused.is_empty());
        self.identity = Some(so_far.map_or_else(|| check.clone(), |so_far| so_far.worst(&check)));
        if !refused.is_empty() {
            let error = format!("{} not proven equal; {}", refused.join(", "), check.note);
            return Err(Failure::new("identity", error.trim_end_matches("; ")));
        }
        self.consumers.push(consumer_row(self.trial, number, job, &check));
        Ok(())
    }

    /// The rows of the trial that ended so.
    pub fn rows(self, result: Result<Measured, (Outcome, Failure)>) -> TrialRows {
        let consumers = if result.is_ok() { self.consumers } else { Vec::new() };
        let measurement = Measurement {
            trial: self.trial.clone(),
            environment: self.environment,
            started_at: self.started_at,
            source: self.source,
            client: self.client,
            import: self.import,
            seed: self.seed,
            contended: self.contended,
            queue_ns: self.queue_ns,
            identity: self.identity.unwrap_or_default(),
            result: result.map(Box::new),
        };
        TrialRows { consumers, spans: self.spans, measurement: MeasurementRow::from(&measurement) }
    }
}

/// Row of a consumer that has an image.
fn consumer_row(trial: &Trial, number: u32, job: &JobReport, check: &IdentityCheck) -> ConsumerRow {
    ConsumerRow {
        schema_version: plan::SCHEMA_VERSION,
        trial: trial.id.clone(),
        consumer: number,
        consume_ns: job.wall_ns,
        bytes_up: job.traffic.map(|c| c.bytes_up),
        bytes_down: job.traffic.map(|c| c.bytes_down),
        requests: job.traffic.map(|c| c.requests),
        retries: job.traffic.map(|c| c.retries),
        cpu_ns: job.usage.cpu_ns,
        peak_memory_bytes: job.usage.peak_memory_bytes,
        peak_disk_bytes: job.usage.peak_disk_bytes,
        index_equal: check.index,
        config_equal: check.config,
        layers_equal: check.layers,
        content_equal: check.content,
        environment: job.environment.to_owned(),
    }
}

#[cfg(test)]
pub mod tests;
