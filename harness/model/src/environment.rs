//! The machine and the programs that a run used: written before the first trial.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A text of an environment that nobody could read: never an empty one.
pub const UNKNOWN: &str = "unknown";

/// Everything about a machine and its programs that may change a result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Short digest of all the rest: the `environment` column.
    pub id: String,
    /// CPU model.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// File system and free bytes where engines keep their data, as text.
    pub disk: String,
    /// Where the service keeps blobs: `tmpfs` or `disk`.
    pub service_store: String,
    /// Kernel release.
    pub kernel: String,
    /// Distribution.
    pub os: String,
    /// Versions of programs: dockerd, containerd, runc, buildx, buildkit, docker, node, zstd, tar, clients.
    pub programs: BTreeMap<String, String>,
    /// Packages that set-up unpacked: name to version and digest.
    pub packages: BTreeMap<String, String>,
    /// Version and commit of Handoff.
    pub handoff: String,
}
