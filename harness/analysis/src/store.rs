//! The services that hold bytes.

use handoff_model::Storage;
use serde::{Deserialize, Serialize};

/// Where bytes are held, as `Storage` of the model, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// Artifacts.
    Artifact,
    /// The cache.
    Cache,
    /// Nowhere.
    None,
}

impl From<Storage> for Store {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::Artifact => Self::Artifact,
            Storage::Cache => Self::Cache,
            Storage::None => Self::None,
        }
    }
}
