//! The one place where the reports of a trial's jobs become rows, for local trials and for those on GitHub.
//!
//! A runner says what it knows and leaves the rest none: a column is empty because its value is unknown, never because somebody
//! erased it afterwards.

use handoff_model::span::build_ns;
use handoff_model::{Counters, ServiceUsage};
use handoff_model::{IdentityCheck, SideUsage, Span, StepCount, Trial, plan};

use crate::rows::{ConsumerRow, Measured};

/// Report of one job that ended well.
#[derive(Debug, Clone, Copy)]
pub struct JobReport<'a> {
    /// Its clock, in ns.
    pub wall_ns: u64,
    /// Its spans.
    pub spans: &'a [Span],
    /// Its resources.
    pub usage: &'a SideUsage,
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
    /// Time between the sides until dirty pages were written back; none where nobody waited.
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

/// Row of a consumer that has an image.
pub fn consumer_row(trial: &Trial, number: u32, job: &JobReport, check: &IdentityCheck) -> ConsumerRow {
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
