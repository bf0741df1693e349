//! Measured values of a trial, in memory: a failed trial has no times.

use handoff_model::identity::IdentityCheck;
use handoff_model::outcome::{Failure, Outcome};
use handoff_model::plan::Trial;
use handoff_model::usage::StepCount;

/// Result of a completed trial. The clocks are always known; a field is none where nobody could know its value, and its column is
/// then empty. No number stands for an unknown one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Producer's clock; none for a strategy without a producer.
    pub produce_ns: Option<u64>,
    /// Slowest consumer's clock.
    pub consume_ns: u64,
    /// Sum of all jobs' clocks.
    pub runner_ns: u64,
    /// Time in which steps of the Dockerfile were executed, in the producer (in the consumer where there is none); none where
    /// BuildKit's trace is missing.
    pub build_ns: Option<u64>,
    /// Bytes sent to and received from the service, and held by it after the producer; none where the service is not ours.
    pub bytes_up: Option<u64>,
    /// See `bytes_up`.
    pub bytes_down: Option<u64>,
    /// See `bytes_up`.
    pub bytes_stored: Option<u64>,
    /// Artifacts or cache entries held after the producer.
    pub entries_stored: Option<u64>,
    /// Cache entries of an earlier run that the producer found, and their bytes; none without a producer.
    pub entries_reused: Option<u64>,
    /// See `entries_reused`.
    pub bytes_reused: Option<u64>,
    /// Steps of the Dockerfile that the producer executed and that it had from a cache; none without a producer.
    pub producer_steps: Option<StepCount>,
    /// Requests of all jobs.
    pub requests: Option<u64>,
    /// Requests that repeated another one.
    pub retries: Option<u64>,
    /// Connections opened.
    pub connections: Option<u64>,
    /// CPU of the producer's job.
    pub producer_cpu_ns: Option<u64>,
    /// CPU of all consumers' jobs.
    pub consumer_cpu_ns: Option<u64>,
    /// Peak memory of the producer's job.
    pub producer_peak_memory_bytes: Option<u64>,
    /// Highest peak memory of a consumer's job.
    pub consumer_peak_memory_bytes: Option<u64>,
    /// Peak disk of the producer's job.
    pub producer_peak_disk_bytes: Option<u64>,
    /// Highest peak disk of a consumer's job.
    pub consumer_peak_disk_bytes: Option<u64>,
    /// CPU of the service's process over the trial.
    pub service_cpu_ns: Option<u64>,
    /// Peak memory of the service's process so far.
    pub service_peak_memory_bytes: Option<u64>,
    /// Wall time of both clocks that no child's span covers.
    pub harness_wall_ns: Option<u64>,
    /// CPU of the harness's own processes over both clocks.
    pub harness_cpu_ns: Option<u64>,
    /// Load average when the trial started.
    pub load_1m: Option<f64>,
    /// CPU pressure over both clocks.
    pub cpu_pressure_ns: Option<u64>,
    /// Stolen time over both clocks.
    pub steal_ns: Option<u64>,
    /// Time waited for dirty pages between producer and consumers, off the clock.
    pub settle_ns: Option<u64>,
    /// Sum of the uncompressed layer tars, as the generator laid them out.
    pub image_bytes: Option<u64>,
    /// Requests of all jobs that the service answered with 429; none where nobody counts them.
    pub throttled: Option<u64>,
    /// Bytes that reached the producer's disk from the start of its clock until its pages were written back; none where the
    /// job has no disk of its own.
    pub producer_written_bytes: Option<u64>,
}

impl Measured {
    /// Result of which only the clocks are known.
    pub fn clocks(produce_ns: Option<u64>, consume_ns: u64, runner_ns: u64) -> Self {
        Self { produce_ns, consume_ns, runner_ns, ..Self::default() }
    }

    /// Producer plus slowest consumer: what a workflow waits for. Without a producer all jobs start at once.
    pub fn critical_path_ns(&self) -> u64 {
        self.produce_ns.unwrap_or(0) + self.consume_ns
    }

    /// Critical path without the build, in ns. None where nothing is shared, or where the time of the build is not known.
    pub fn transfer_ns(&self) -> Option<u64> {
        let (_, build_ns) = self.produce_ns.zip(self.build_ns)?;
        Some(self.critical_path_ns().saturating_sub(build_ns))
    }
}

/// Result of one trial, joined from all jobs and the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The trial.
    pub trial: Trial,
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
    /// Seed of the image's content.
    pub seed: u64,
    /// Whether more consumers ran at once than half the cores: such a row measures the machine.
    pub contended: bool,
    /// Time in which the jobs of the critical path waited for a runner; none where it was not reported.
    pub queue_ns: Option<u64>,
    /// Identity, as far as it was compared.
    pub identity: IdentityCheck,
    /// Measured values, or the reason why there are none.
    pub result: Result<Box<Measured>, (Outcome, Failure)>,
}
