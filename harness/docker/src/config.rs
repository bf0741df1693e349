//! Configuration of an engine.

use std::path::PathBuf;

use handoff_model::{EngineKind, ImageStore};

use crate::user::HostDaemon;

/// Configuration of an engine: its kind, its folder and its image store.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for all files of the engine. Its path is short, because sockets are below it.
    pub root: PathBuf,
    /// Name of the job, its cgroup, and its objects in the user's daemon.
    pub job: String,
    /// Image store.
    pub store: ImageStore,
    /// Kind of engine.
    pub kind: EngineKind,
    /// The user's daemon, for kinds that use it.
    pub host_daemon: Option<HostDaemon>,
}
