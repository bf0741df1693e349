//! What an engine is to be.

use std::path::PathBuf;

use handoff_model::{EngineKind, ImageStore};

use crate::user::HostDaemon;

/// Where and how an engine lives.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for everything the engine writes. Short: sockets live in it.
    pub root: PathBuf,
    /// Name of the job: names its cgroup, and what it makes in the user's daemon.
    pub job: String,
    /// Where images are kept.
    pub store: ImageStore,
    /// Where the engine comes from.
    pub kind: EngineKind,
    /// The user's daemon, for the kinds that use it.
    pub host_daemon: Option<HostDaemon>,
}
