//! What is stored under which name: artifacts of runs, entries of cache scopes. Bytes are the blob store's.

mod artifacts;
mod caches;

pub(crate) use artifacts::{Artifact, Artifacts};
pub(crate) use caches::{Caches, Entry};

/// Why a name cannot be created or finalized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The name is taken.
    Taken,
    /// There is nothing of that name to finalize.
    Missing,
    /// It was finalized before, as something else.
    Finalized,
}
