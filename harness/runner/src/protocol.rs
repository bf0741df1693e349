//! Protocol between the runner and a job: JSON lines on the job's standard input and output.
//!
//! The job ends when its input closes, for whatever reason. The kernel then ends every process of the job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::disk_check::DiskCheck;
use handoff_docker::user::HostDaemon;
use handoff_model::{
    Conditions, DiskMeasurement, Failure, ImageIdentity, Role, RoleUsage, Sources, Span, StepCount, StrategySpec,
    Ticket,
};
pub use handoff_strategies::Tools as ToolPaths;
use serde::{Deserialize, Serialize};

/// File in the job's folder with the builder's image that [`Request::TryBuilder`] has pulled.
pub const BUILDKIT_TAR: &str = "buildkit.tar";

/// Name of the engine fact that describes the disk of a job's files.
pub const JOB_DISK: &str = "job disk";

/// Value of [`JOB_DISK`] if each job has a private file system.
pub const PRIVATE_DISK: &str = "ext4 of its own";

/// Specification of a job, in a file that the runner writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobSpec {
    /// Name of the job, of its folder and of its cgroup.
    pub job: String,
    /// Role.
    pub role: Role,
    /// Folder of the job.
    pub root: PathBuf,
    /// Whether a private engine gets a private file system, which is invisible outside of the job.
    pub private_disk: bool,
    /// Folder of the job's logs.
    pub logs: PathBuf,
    /// Image of a `docker-container` builder to load before the clock starts.
    #[serde(default)]
    pub buildkit: Option<BuildkitImage>,
    /// Strategy with its options.
    pub strategy: StrategySpec,
    /// Conditions.
    pub conditions: Conditions,
    /// Name from which keys, scopes and artifact names derive.
    pub name: String,
    /// Commit of the sources, if caches of earlier runs may exist.
    #[serde(default)]
    pub commit: Option<String>,
    /// Image reference in the job's engine.
    pub image: String,
    /// Expected answer of the first container.
    pub answer: String,
    /// Sources to build.
    #[serde(default)]
    pub sources: Sources,
    /// Sources of further images that the producer builds.
    #[serde(default)]
    pub others: Vec<Sources>,
    /// Probe to mount into containers of an image that does not contain it.
    #[serde(default)]
    pub probe: Option<PathBuf>,
    /// Tar of the user's image to load into the producer's engine before the clock starts.
    #[serde(default)]
    pub image_tar: Option<PathBuf>,
    /// Command in a container that prints the content digest.
    pub digest_command: Vec<String>,
    /// Addresses of the service and the job's token.
    pub service_env: BTreeMap<String, String>,
    /// Programs beside the engine.
    pub tools: ToolPaths,
    /// The user's daemon, for engines that use it.
    pub host_daemon: Option<HostDaemon>,
    /// Ticket of the producer; none for the producer.
    pub ticket: Option<Ticket>,
}

impl JobSpec {
    /// A producer's job in the folder `root` that has neither sources nor a service.
    pub fn new(
        job: &str,
        root: &Path,
        strategy: StrategySpec,
        conditions: Conditions,
        tools: &ToolPaths,
        host_daemon: Option<&HostDaemon>,
    ) -> Self {
        Self {
            job: job.to_owned(),
            role: Role::Producer,
            root: root.to_owned(),
            private_disk: true,
            logs: root.join("logs"),
            buildkit: None,
            strategy,
            conditions,
            name: String::new(),
            commit: None,
            image: String::new(),
            answer: String::new(),
            sources: Sources::default(),
            others: Vec::new(),
            probe: None,
            image_tar: None,
            digest_command: Vec::new(),
            service_env: BTreeMap::new(),
            tools: tools.clone(),
            host_daemon: host_daemon.cloned(),
            ticket: None,
        }
    }

    /// Folder with all files of the job's engine and strategy, which is the private file system where there is one.
    pub fn disk(&self) -> PathBuf {
        self.root.join("d")
    }
}

/// Request sent to a job on its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Start the clock and run the role.
    Start,
    /// Write the job's dirty pages back, off the clock, and count the bytes that reached the disk.
    WriteBack,
    /// Identify the image, off the clock.
    Identify,
    /// Boot a builder from this image, off the clock. A pulled image is saved as [`BUILDKIT_TAR`].
    TryBuilder(BuildkitImage),
    /// Measure the file system of the job's files, outside of trials.
    MeasureDisk,
    /// Measure the rates of the job's private disk under its limit.
    CheckDisk,
    /// End the engine, then the job.
    Stop,
}

/// Answer of a job on its standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Engine that answers.
    Ready(EngineFacts),
    /// Failure of the job, after which no event follows.
    Broken(String),
    /// Role that has ended.
    Finished(Box<Finished>),
    /// Answer to [`Request::WriteBack`]: bytes, or none without a private disk.
    WrittenBack(Option<u64>),
    /// Answer to [`Request::Identify`].
    Identified(Result<ImageIdentity, Failure>),
    /// Answer to [`Request::TryBuilder`]: versions by name.
    Builder(Result<BTreeMap<String, String>, Failure>),
    /// Answer to [`Request::MeasureDisk`].
    Disk(DiskMeasurement),
    /// Answer to [`Request::CheckDisk`].
    CheckedDisk(Result<DiskCheck, Failure>),
}

/// Properties of a job's engine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EngineFacts {
    /// Version of each program, and other properties by name.
    pub versions: BTreeMap<String, String>,
    /// Boot time of the engine, off every clock, in ns.
    pub boot_ns: u64,
    /// Speed of the job's file system, if it was measured.
    #[serde(default)]
    pub disk_speed: Option<DiskMeasurement>,
}

/// Result of a role, whether it succeeded or failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finished {
    /// Failure, if any.
    pub failure: Option<Failure>,
    /// Time on the role's clock in ns; meaningless after a failure.
    pub wall_ns: u64,
    /// Spans.
    pub spans: Vec<Span>,
    /// Resource usage.
    pub usage: RoleUsage,
    /// Columns `source`, `client` and `import` of the row.
    pub facts: BTreeMap<String, String>,
    /// Dockerfile steps of the role's builds; none if a trace of BuildKit cannot be read.
    pub steps: Option<StepCount>,
    /// Whether the image is that of a warm-up, because the producer had nothing to build.
    pub built_earlier: bool,
    /// Ticket for consumers.
    pub ticket: Ticket,
}
