//! The jobs' side of a trial: a job marks its times, looks at its image when its clock has stopped, and leaves a file, of which
//! [`crate::collect`] makes rows.
//!
//! The steps between two marks are actions that nobody here controls. What is known of them is when they began and ended,
//! on the machine's monotonic clock, and what `BuildKit` recorded of its builds.

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

/// Folder of what a job leaves, relative to the workspace.
pub const JOB_DIR: &str = "handoff-marks";
/// Folder of the job's sources and tars, relative to the workspace and alike on both sides.
pub const WORK_DIR: &str = "handoff-work";
/// The file that a job leaves.
pub const JOB_FILE: &str = "job.json";

/// What one job leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobFile {
    /// The trial.
    pub trial: String,
    /// Producer or consumer.
    pub role: Role,
    /// Number of the consumer, from 1.
    pub consumer: Option<u32>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// The machine.
    pub environment: Environment,
    /// Where the job's engine keeps images.
    pub image_store: String,
    /// Readings when the clock started.
    pub start: Readings,
    /// Why it failed, if so.
    pub failure: Option<Failure>,
    /// The side's clock in ns.
    pub wall_ns: u64,
    /// Spans on the side's clock.
    pub spans: Vec<Span>,
    /// Steps of the Dockerfile that were executed.
    pub executed: Vec<String>,
    /// Steps of the Dockerfile that came from a cache.
    pub cached: Vec<String>,
    /// Whether `BuildKit` told its steps; without that the time of the build is not known.
    pub traced: bool,
    /// Layers that the builder put into the cache, by digest.
    pub cache_layers: Vec<String>,
    /// Resources.
    pub usage: RoleUsage,
    /// What is known of the image.
    pub identity: ImageIdentity,
    /// `source` and `client` of the row.
    pub source: String,
    /// See `source`.
    pub client: String,
}

/// What is read when a clock starts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Readings {
    /// The monotonic clock, in ns.
    pub monotonic_ns: u64,
    /// The wall clock, in ns since 1970: `BuildKit` records have no other.
    pub wall_ns: i64,
    /// Time in which the machine's CPUs were busy, in ns; none where the kernel does not tell, as with those below.
    pub busy_ns: Option<u64>,
    /// Time that the hypervisor took, in ns.
    pub steal_ns: Option<u64>,
    /// CPU pressure in ns.
    pub pressure_ns: Option<u64>,
    /// Load average.
    pub load_1m: Option<f64>,
}

/// The number of this consumer, as the environment says it; none for a producer.
///
/// # Errors
/// A `HANDOFF_CONSUMER` that is no number.
pub fn consumer_of_env(role: Role) -> Result<Option<u32>> {
    match (role, std::env::var("HANDOFF_CONSUMER")) {
        (Role::Producer, _) => Ok(None),
        (Role::Consumer, Ok(text)) => {
            text.parse().map(Some).map_err(|_| GithubError::Input(format!("HANDOFF_CONSUMER: `{text}`")))
        }
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

/// Reads the files of all jobs below a folder, by trial.
///
/// # Errors
/// A folder that cannot be read, or a job's file that does not read: to leave them out would make failed trials of good ones.
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
