//! Results, and how the part with root reports them to the part without.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{ErrorKind, SwitchError};

/// Result of a switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switched {
    /// The engine had the containerd store already, and was not restarted.
    Already,
    /// The engine was restarted with the containerd store.
    Now {
        /// Time from before the restart until the engine answered with its new store.
        restart_seconds: f64,
    },
}

/// Result of undoing switches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// Configuration files that are as before the switch.
    pub configs: Vec<PathBuf>,
    /// Configuration files whose folder is gone, and the engine with it.
    pub gone: Vec<PathBuf>,
    /// Containers of the containerd store that the restart stopped, and that are hidden with that store.
    pub stopped: Vec<String>,
}

impl std::fmt::Display for Restored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        if self.configs.is_empty() && self.gone.is_empty() {
            return f.write_str("no store was switched: nothing to undo");
        }
        let mut parts = Vec::new();
        if !self.configs.is_empty() {
            parts.push(format!("{} is as before the switch, and the engine has its old store", list(&self.configs)));
        }
        if !self.stopped.is_empty() {
            parts.push(format!("stopped: {}", self.stopped.join(", ")));
        }
        if !self.gone.is_empty() {
            parts.push(format!("forgot {}, whose engine is gone", list(&self.gone)));
        }
        f.write_str(&parts.join("; "))
    }
}

/// Line that the part with root prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Switched(Switched),
    Restored(Restored),
    Error { kind: ErrorKind, message: String },
}

impl From<&SwitchError> for Answer {
    fn from(error: &SwitchError) -> Self {
        Self::Error { kind: error.kind(), message: error.to_string() }
    }
}
