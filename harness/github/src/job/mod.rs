//! Commands of a trial's jobs: a job marks its times, identifies its image off the clock, and leaves a file, of which
//! [`crate::collect`] makes rows.
//!
//! The steps between marks are actions beyond Handoff's control. Marks record their start and end on the machine's monotonic
//! clock, and `BuildKit` records its builds.

mod begin;
mod docker;
mod engine;
mod finish;
mod marks;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::{Environment, Failure, ImageIdentity, Role, RoleUsage, Span};
use serde::{Deserialize, Serialize};

use crate::{GithubError, Result};

pub use begin::begin;
pub(crate) use engine::append;
pub use engine::hold;
pub use finish::{answer, finish};
pub use marks::mark;

/// Folder of a job's results, relative to the workspace.
pub const JOB_DIR: &str = "handoff-marks";
/// Folder of the job's sources and tars, relative to the workspace and the same in both roles.
pub const WORK_DIR: &str = "handoff-work";
/// File with a job's results.
pub const JOB_FILE: &str = "job.json";

/// Results of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobFile {
    /// Name of the trial.
    pub trial: String,
    /// Role.
    pub role: Role,
    /// Number of the consumer, from 1.
    pub consumer: Option<u32>,
    /// Start time, RFC 3339.
    pub started_at: String,
    /// Machine.
    pub environment: Environment,
    /// Image store of the job's engine.
    pub image_store: String,
    /// Readings at the start of the clock.
    pub start: Readings,
    /// Failure, if any.
    pub failure: Option<Failure>,
    /// Time on the role's clock in ns.
    pub wall_ns: u64,
    /// Spans on the role's clock.
    pub spans: Vec<Span>,
    /// Executed steps of the Dockerfile.
    pub executed: Vec<String>,
    /// Steps of the Dockerfile that came from a cache.
    pub cached: Vec<String>,
    /// Whether `BuildKit` recorded its steps; otherwise the build time is unknown.
    pub traced: bool,
    /// Digests of the layers that the builder wrote to the cache.
    pub cache_layers: Vec<String>,
    /// Resource usage.
    pub usage: RoleUsage,
    /// Identity of the image.
    pub identity: ImageIdentity,
    /// Column `source` of the row.
    pub source: String,
    /// Column `client` of the row.
    pub client: String,
}

/// Readings of clocks and counters at the start of a clock.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Readings {
    /// Monotonic clock in ns.
    pub monotonic_ns: u64,
    /// Wall clock in ns since 1970, the only clock of `BuildKit`'s records.
    pub wall_ns: i64,
    /// Busy time of the machine's CPUs in ns; none if the kernel does not report it, as with the next three.
    pub busy_ns: Option<u64>,
    /// Time stolen by the hypervisor in ns.
    pub steal_ns: Option<u64>,
    /// CPU pressure in ns.
    pub pressure_ns: Option<u64>,
    /// Load average.
    pub load_1m: Option<f64>,
}

/// Number of this consumer from the variable `HANDOFF_CONSUMER`; none for a producer.
///
/// # Errors
/// The variable is not a number.
pub fn consumer_of_env(role: Role) -> Result<Option<u32>> {
    match (role, std::env::var("HANDOFF_CONSUMER")) {
        (Role::Producer, _) => Ok(None),
        (Role::Consumer, Ok(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| GithubError::Input(format!("HANDOFF_CONSUMER: `{text}` is not a number"))),
        (Role::Consumer, Err(_)) => Ok(Some(1)),
    }
}

fn file_path(dir: &Path) -> PathBuf {
    dir.join(JOB_DIR).join(JOB_FILE)
}

fn read_file(path: &Path) -> Result<JobFile> {
    let bytes = fs::read(path).map_err(GithubError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| GithubError::Job(format!("{}: {e}", path.display())))
}

fn write_file(dir: &Path, file: &JobFile) -> Result<()> {
    let path = file_path(dir);
    let json = serde_json::to_vec_pretty(file).map_err(GithubError::job)?;
    fs::write(&path, json).map_err(GithubError::io("write", &path))
}

/// Files of all jobs below a folder, by trial.
///
/// # Errors
/// A folder or file cannot be read: without it, a completed trial would become a failed one.
pub fn read_files(dir: &Path) -> Result<BTreeMap<String, Vec<JobFile>>> {
    let mut all: BTreeMap<String, Vec<JobFile>> = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(GithubError::io("read", &folder))? {
            let entry = entry.map_err(GithubError::io("read", &folder))?;
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() == JOB_FILE {
                let file = read_file(&path)?;
                all.entry(file.trial.clone()).or_default().push(file);
            }
        }
    }
    for files in all.values_mut() {
        files.sort_by_key(|f| f.consumer);
    }
    Ok(all)
}
