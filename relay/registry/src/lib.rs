//! A registry on loopback whose storage is GitHub's artifact or cache service.
//!
//! Docker's fast way to move an image is push and pull: layers by digest, several at once, unpacked while they arrive. It
//! needs a registry, and a workflow has none without a login and a third host. So each job gets one end of a registry: an
//! [`PushRegistry`] takes what an engine or a builder pushes and sends it on as blocks of an artifact, or as cache entries, while it
//! comes; an [`PullRegistry`] gives it to an engine that pulls, from parallel ranged GETs. Neither touches the disk; the memory of both is bounded.
//!
//! Every blob is checked against its digest on both ways, so what arrives is what was pushed, or nothing.

mod answers;
mod digest;
mod earlier_image;
mod error;
mod index;
mod manifest;
mod pull;
mod pull_registry;
mod push;
mod push_registry;
mod receiver_state;
mod scheduler;
mod sender_state;
pub mod session;
mod store;
mod upload;
mod wire;

pub use digest::{Digest, NoDigest};
pub use error::Error;
pub use pull_registry::{PullRegistry, Received};
pub use push_registry::PushRegistry;
pub use sender_state::Sent;
pub use store::StoreKind;

/// Bytes of a part (a block going up, a range coming down), unless a caller fixes them.
pub const PART_BYTES: usize = 4 << 20;
/// Memory for the parts that are in flight.
const FLIGHT_BYTES: usize = 128 << 20;
/// Blobs below this size travel with the table, so that an image of a hundred small layers needs few requests.
pub(crate) const SMALL_BYTES: usize = 256 << 10;
/// The most requests in flight, however small their parts.
const MOST_LANES: usize = 32;

/// What a caller may fix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Port on 127.0.0.1; 0: a free one.
    pub port: u16,
    /// Requests in flight; none: as many as turn out to carry more.
    pub connections: Option<usize>,
    /// Bytes of a block going up and of a range coming down; none: [`PART_BYTES`].
    pub part_bytes: Option<usize>,
    /// Of a sending end with a cache: the newest image whose name begins so is given to builders as
    /// [`PushRegistry::earlier`], to build from.
    pub earlier: Option<String>,
}

impl Settings {
    /// Bytes of a part.
    pub(crate) fn part(&self) -> usize {
        self.part_bytes.unwrap_or(PART_BYTES)
    }

    /// The most requests in flight, where their number is not fixed: the larger a part, the fewer, so that memory is the same.
    pub(crate) fn most_lanes(&self) -> usize {
        (FLIGHT_BYTES / self.part()).clamp(1, MOST_LANES)
    }

    /// The most ranges that are held at once while an engine takes its time. Fewer than lanes: every blob may hold two more, one
    /// that it waits for and one that is being handed on.
    pub(crate) fn most_ranges(&self) -> usize {
        (self.most_lanes() * 3 / 4).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_parts_are_fewer() {
        let most = |mib: Option<usize>| {
            let settings = Settings { part_bytes: mib.map(|mib| mib << 20), ..Settings::default() };
            (settings.most_lanes(), settings.most_ranges())
        };
        assert_eq!([None, Some(1), Some(8), Some(16)].map(most), [(32, 24), (32, 24), (16, 12), (8, 6)]);
    }
}
