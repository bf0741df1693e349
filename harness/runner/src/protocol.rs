//! What the runner and a job say to each other: JSON lines over the job's standard streams.
//!
//! The runner's end of the pipe is also the job's lifeline: when it closes, whatever the reason, the job ends, and with
//! its first process the kernel ends everything that the job started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::user::HostDaemon;
use handoff_model::{
    Conditions, DiskMeasurement, Failure, ImageIdentity, Role, RoleUsage, Sources, Span, StepCount, StrategySpec,
    Ticket,
};
pub use handoff_strategies::Tools as ToolPaths;
use serde::{Deserialize, Serialize};

/// Name, in the job's folder, of the builder's image after [`Command::TryBuilder`] has pulled it.
pub const BUILDKIT_TAR: &str = "buildkit.tar";

/// The fact of the engine that says on what a job's files were.
pub const JOB_DISK: &str = "job disk";

/// Its value where each job has a file system of its own.
pub const PRIVATE_DISK: &str = "ext4 of its own";

/// All that a job needs to know, in a file that the runner writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobSpec {
    /// Name of the job: its folder and its cgroup.
    pub job: String,
    /// Producer or consumer.
    pub role: Role,
    /// The job's folder.
    pub root: PathBuf,
    /// Whether a private engine shall have a file system of its own: what is on it cannot be seen from outside of the job.
    pub private_disk: bool,
    /// Folder of the trial's logs, with one folder for each side.
    pub logs: PathBuf,
    /// Image of a `docker-container` builder, which the engine is given before the clock starts; none if nothing is built
    /// by one.
    #[serde(default)]
    pub buildkit: Option<BuildkitImage>,
    /// The strategy with its options.
    pub strategy: StrategySpec,
    /// The conditions.
    pub conditions: Conditions,
    /// Name of this image: keys, scopes and artifact names are made from it.
    pub name: String,
    /// The commit of the sources, where earlier runs may have left something.
    #[serde(default)]
    pub commit: Option<String>,
    /// Reference of the image in the job's engine.
    pub image: String,
    /// What the first container must answer.
    pub answer: String,
    /// What is built.
    #[serde(default)]
    pub sources: Sources,
    /// Further images that the producer builds.
    #[serde(default)]
    pub others: Vec<Sources>,
    /// The probe's program, to be mounted into containers of an image that does not bring it along.
    #[serde(default)]
    pub probe: Option<PathBuf>,
    /// A tar of the image, to be put into the producer's engine before the clock starts.
    #[serde(default)]
    pub given: Option<PathBuf>,
    /// Command that prints the content digest inside a container.
    pub digest_command: Vec<String>,
    /// The service's addresses and the job's token.
    pub service_env: BTreeMap<String, String>,
    /// Programs beside the engine.
    pub tools: ToolPaths,
    /// The user's daemon, for engines that use it.
    pub host_daemon: Option<HostDaemon>,
    /// What the producer said; none for the producer itself.
    pub ticket: Option<Ticket>,
}

impl JobSpec {
    /// The folder with all that a job makes: a file system of its own, where that can be.
    pub fn disk(&self) -> PathBuf {
        self.root.join("d")
    }
}

/// A line from the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start the clock and run the side.
    Start,
    /// Off the clock: write the job's pages back, and count what has reached its disk since the clock started.
    WriteBack,
    /// Off the clock: look at the image that was built or that arrived.
    Identify,
    /// Off the clock: boot a builder from this image. If it was pulled, leave it as a docker tar in the job's folder.
    TryBuilder(BuildkitImage),
    /// Where there is no trial: measure the file system that the job's files are on.
    MeasureDisk,
    /// End the engine, then the job.
    Stop,
}

/// A line from a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The engine answers.
    Ready(EngineFacts),
    /// The engine did not come up, or the job is broken: nothing follows.
    Broken(String),
    /// The side ran.
    Finished(Box<Finished>),
    /// The answer to [`Command::WriteBack`]: bytes; none where the job has no disk of its own.
    WrittenBack(Option<u64>),
    /// The answer to [`Command::Identify`].
    Identified(Result<ImageIdentity, Failure>),
    /// The answer to [`Command::TryBuilder`]: what it says of itself.
    Builder(Result<BTreeMap<String, String>, Failure>),
    /// The answer to [`Command::MeasureDisk`].
    Disk(DiskMeasurement),
}

/// What the engine says of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EngineFacts {
    /// Program or property to version.
    pub versions: BTreeMap<String, String>,
    /// Time to boot the engine, off every clock, in ns.
    pub boot_ns: u64,
    /// Speed of the job's file system, once it was measured.
    #[serde(default)]
    pub disk_speed: Option<DiskMeasurement>,
}

/// A side that ran to its end, well or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finished {
    /// Why it failed, if so.
    pub failure: Option<Failure>,
    /// The side's clock in ns; meaningless after a failure.
    pub wall_ns: u64,
    /// Spans.
    pub spans: Vec<Span>,
    /// Resources.
    pub usage: RoleUsage,
    /// `source` and `client` of the row.
    pub facts: BTreeMap<String, String>,
    /// Steps of the Dockerfile in the side's builds; none where a trace of BuildKit's did not read.
    pub steps: Option<StepCount>,
    /// Whether the image is an earlier run's, because the producer found that it had nothing to build.
    pub built_earlier: bool,
    /// What the producer tells.
    pub ticket: Ticket,
}
