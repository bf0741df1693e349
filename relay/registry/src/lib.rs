//! A registry on loopback whose storage is GitHub's artifact or cache service.
//!
//! Docker moves an image fastest by push and pull: layers by digest, several at once, unpacked while they arrive. Push and
//! pull need a registry, and a workflow has none without a login and a third host. So each job gets a registry of its own:
//!
//! - The sender runs a [`PushRegistry`]. It forwards every pushed blob at once, as blocks of an artifact or as cache entries.
//! - The receiver runs a [`PullRegistry`]. It fetches blobs by parallel ranged GETs while an engine pulls them.
//!
//! Neither touches the disk, and the memory of both is bounded. Both check every blob against its digest, so a damaged blob
//! never completes.
//!
//! ```no_run
//! use handoff_registry::{Error, PullRegistry, PushRegistry, Settings, StoreKind};
//! use handoff_storage::ServiceEndpoint;
//!
//! # async fn relay() -> Result<(), Error> {
//! // In the sender's job:
//! let settings = Settings::default();
//! let sender = PushRegistry::start(StoreKind::Artifact, ServiceEndpoint::from_env()?, "app", &settings).await?;
//! println!("docker push {}/app:1", sender.registry());
//! let sent = sender.commit(&[("app:1", "1")]).await?;
//! println!("{} blobs, {} bytes", sent.blobs, sent.received);
//!
//! // In the receiver's job:
//! let receiver = PullRegistry::start(StoreKind::Artifact, ServiceEndpoint::from_env()?, "app", &settings).await?;
//! println!("docker pull {}/app:1", receiver.registry());
//! let received = receiver.stop();
//! println!("{} bytes", received.given);
//! # Ok(())
//! # }
//! ```

mod answers;
mod cache_entries;
mod claims;
mod digest;
mod earlier_image;
mod encoding;
mod error;
mod fuzz;
mod index;
mod manifest;
mod manifest_check;
mod parts;
mod pull;
mod pull_registry;
mod push;
mod push_registry;
mod receiver_state;
mod scheduler;
mod sender_state;
pub mod session;
mod store;
pub mod timeouts;
mod upload;
mod wire;

pub use digest::{Digest, InvalidDigest};
pub use encoding::Encoding;
pub use error::Error;
pub use fuzz::{Planted, fuzz_table};
pub use index::NamedImage;
pub use pull_registry::{PullRegistry, Received};
pub use push_registry::PushRegistry;
pub use sender_state::Sent;
pub use store::{StoreKind, delete};

/// Default size of a part, in bytes: a block of an upload or a range of a download.
pub const PART_BYTES: usize = 4 << 20;
/// Memory for the parts in flight, in bytes.
pub(crate) const FLIGHT_BYTES: usize = 128 << 20;
/// Blobs below this many bytes are stored with the table, so that a hundred small layers need few requests.
pub(crate) const SMALL_BYTES: usize = 256 << 10;
/// Largest number of requests in flight, however small their parts.
const MAX_REQUESTS: usize = 32;

/// Settings of a [`PushRegistry`] or [`PullRegistry`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Port on 127.0.0.1; 0 selects a free one.
    pub port: u16,
    /// Requests in flight; `None` adapts their number to the throughput.
    pub connections: Option<usize>,
    /// Size of a part in bytes; `None` means [`PART_BYTES`].
    pub part_bytes: Option<usize>,
    /// Encoding of the blobs that a sender stores. A receiver reads both.
    pub encoding: Encoding,
    /// Days until the artifact expires; `None` leaves the time to the repository's setting.
    pub retention_days: Option<u32>,
    /// Prefix of an earlier image's name. A sender with a cache serves the newest such image as
    /// [`PushRegistry::earlier`], for builders to build from.
    pub earlier: Option<String>,
}

impl Settings {
    /// Size of a part in bytes.
    pub(crate) fn part(&self) -> usize {
        self.part_bytes.unwrap_or(PART_BYTES)
    }

    /// Largest number of requests in flight. Larger parts allow fewer, so that the memory stays the same.
    pub(crate) fn max_requests(&self) -> usize {
        (FLIGHT_BYTES / self.part()).clamp(1, MAX_REQUESTS)
    }

    /// Largest number of ranges held for a slow engine. It is below [`Self::max_requests`], because every blob may hold two
    /// more: the next range and the range that is being delivered.
    pub(crate) fn max_ranges(&self) -> usize {
        (self.max_requests() * 3 / 4).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_parts_allow_fewer_requests_and_ranges() {
        let most = |mib: Option<usize>| {
            let settings = Settings { part_bytes: mib.map(|mib| mib << 20), ..Settings::default() };
            (settings.max_requests(), settings.max_ranges())
        };
        assert_eq!([None, Some(1), Some(8), Some(16)].map(most), [(32, 24), (32, 24), (16, 12), (8, 6)]);
    }
}
