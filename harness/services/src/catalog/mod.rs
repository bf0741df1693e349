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

/// Times of an entry or artifact, in ns of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// End of the reservation that its creation makes; none: it never ends.
    pub(crate) reserved_until: Option<u64>,
    /// Time from which lookups find it; none: it is not finalized.
    pub(crate) visible_from: Option<u64>,
}

impl Times {
    /// Times of a new, unfinalized entry.
    pub(crate) fn created(reserved_until: Option<u64>) -> Self {
        Self { reserved_until, visible_from: None }
    }

    /// Whether lookups find it at `now`.
    fn is_visible(&self, now: u64) -> bool {
        self.visible_from.is_some_and(|from| from <= now)
    }

    /// Whether it is an unfinished reservation that has ended at `now`.
    fn has_expired(&self, now: u64) -> bool {
        self.visible_from.is_none() && self.reserved_until.is_some_and(|until| until <= now)
    }
}
