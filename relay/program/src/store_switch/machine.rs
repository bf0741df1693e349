//! What a switch needs of the machine: the engine, its restart and a clock. A test scripts it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Point that a switch or an undoing has passed. A test kills the process at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Step {
    LedgerWritten,
    NewFileStaged,
    NewFileValid,
    NewFileInPlace,
    Restarted,
    EngineSwitched,
    OldFileStaged,
    OldFileInPlace,
    RestartedBack,
    EngineBack,
    LedgerCleared,
}

impl Step {
    /// All points, in order.
    pub const ALL: [Self; 11] = [
        Self::LedgerWritten,
        Self::NewFileStaged,
        Self::NewFileValid,
        Self::NewFileInPlace,
        Self::Restarted,
        Self::EngineSwitched,
        Self::OldFileStaged,
        Self::OldFileInPlace,
        Self::RestartedBack,
        Self::EngineBack,
        Self::LedgerCleared,
    ];
}

/// Image store of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Store {
    /// containerd's.
    Containerd,
    /// The one of a storage driver.
    Driver(String),
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if let Self::Driver(name) = self { name } else { "of containerd" })
    }
}

/// Restart of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restart {
    /// Command for `sh -c`; none for `systemctl restart docker`.
    pub command: Option<String>,
    /// User and group that the command runs as; none for root.
    pub user: Option<(u32, u32)>,
}

/// The machine.
pub(crate) trait Machine {
    /// Store of the engine, which must answer `/_ping` too.
    fn store(&self) -> Result<Store, String>;
    /// Restarts the daemon; the output goes to a file.
    fn restart(&self, restart: &Restart, log: &Path) -> Result<(), String>;
    /// Lets dockerd check a configuration file; the output goes to a file.
    fn validate(&self, file: &Path, log: &Path) -> Result<(), String>;
    /// Time on a steady clock.
    fn now(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration);
    /// Notes a point that was passed.
    fn passed(&self, step: Step);
}
