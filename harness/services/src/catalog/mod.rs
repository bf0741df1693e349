//! Catalog of artifacts by run and of cache entries by scope. The blob store holds their bytes.

mod artifacts;
mod caches;

pub(crate) use artifacts::{Artifact, Artifacts};
pub(crate) use caches::{Caches, Entry};

/// Conflict at the creation or finalize of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The name is taken.
    Taken,
    /// The name does not exist.
    Missing,
    /// The name was finalized before with other content.
    Finalized,
}
