//! A trial's sides as GitHub jobs: a job marks its times, looks at its image when its clock has stopped, and leaves a file;
//! [`join`] makes of all files the same rows that a local run writes.
//!
//! The steps between two marks are actions that nobody here controls. What is known of them is when they began and ended,
//! on the machine's monotonic clock, and what `BuildKit` recorded of its builds.

mod begin;
mod cell;
mod docker;
mod finish;
mod join;
mod marks;
mod private;

use std::path::{Path, PathBuf};

use handoff_model::{Environment, Failure, ImageIdentity, Side, SideUsage, Span};
use serde::{Deserialize, Serialize};

use crate::GithubError;

pub use begin::begin;
pub use cell::{CellJob, MOST_CELLS, cells};
pub use finish::{answer, finish};
pub use join::{Collected, Waits, join, read_sides};
pub use marks::mark;
pub use private::hold;

/// Name of the profile of GitHub's own services: nothing is shaped or simulated.
pub const PROFILE: &str = handoff_model::conditions::GITHUB;

/// Folder of what a job leaves, relative to the workspace.
pub const SIDE_DIR: &str = "handoff-side";
/// Folder of the job's sources and tars, relative to the workspace and alike on both sides.
pub const WORK_DIR: &str = "handoff-work";
/// The file that a job leaves.
pub const SIDE_FILE: &str = "side.json";

/// What one job leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SideFile {
    /// The trial.
    pub trial: String,
    /// Producer or consumer.
    pub side: Side,
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
    pub usage: SideUsage,
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

fn side_path(dir: &Path) -> PathBuf {
    dir.join(SIDE_DIR).join(SIDE_FILE)
}

fn read_side(path: &Path) -> Result<SideFile, GithubError> {
    let bytes = std::fs::read(path).map_err(GithubError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| GithubError::Job(format!("{}: {e}", path.display())))
}

fn write_side(dir: &Path, side: &SideFile) -> Result<(), GithubError> {
    let path = side_path(dir);
    let json = serde_json::to_vec_pretty(side).map_err(|e| GithubError::Job(e.to_string()))?;
    std::fs::write(&path, json).map_err(GithubError::io("write", &path))
}
