//! Receiver: a registry on loopback that fetches blobs by parallel ranged GETs and delivers them in order.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use handoff_storage::{ServiceEndpoint, Traffic};
use tokio::sync::mpsc;

use crate::digest::Digest;
use crate::index::NamedImage;
use crate::pull::{Caller, PullHandler, deliver_blob};
use crate::receiver_state::ReceiverState;
use crate::store::{ReceiverStore, StoreKind};
use crate::wire::{Server, serve};
use crate::{Error, Settings};

/// Result of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Bytes of blobs that were delivered to engines.
    pub given: u64,
    /// First request for a blob and last delivered byte, in ns of `CLOCK_MONOTONIC`.
    pub between_ns: Option<(u64, u64)>,
    /// Requests in flight at the end.
    pub concurrency: usize,
    /// Counts of requests to the service.
    pub traffic: Traffic,
    /// The first failure, if any.
    pub broken: Option<String>,
}

/// Running registry of a receiver, for an engine to pull from.
#[derive(Debug)]
pub struct PullRegistry {
    shared: Arc<ReceiverState>,
    server: Server,
}

impl PullRegistry {
    /// Reads the table of the image `name` and serves the image.
    ///
    /// # Errors
    /// [`Error::NotSent`]; [`Error::NotInCache`] when a cache entry of an image is not found; errors of the service.
    pub async fn start(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        name: &str,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let store = ReceiverStore::open(kind, endpoint)?;
        let table = store.table(name).await?;
        let shared = ReceiverState::open(store, table, settings).await?;
        let server = serve(settings.port, Arc::new(PullHandler(Arc::clone(&shared)))).await?;
        Ok(Self { shared, server })
    }

    /// Address to pull from: `127.0.0.1:PORT`.
    pub fn registry(&self) -> String {
        self.server.address.to_string()
    }

    /// Images of the transfer, in the sender's order.
    pub fn images(&self) -> Vec<NamedImage> {
        self.shared.index.named_images()
    }

    /// Reference of the first image, and the last tag.
    pub fn sent_as(&self) -> (&str, Option<&str>) {
        (&self.shared.index.reference, self.shared.index.tags.keys().next_back().map(String::as_str))
    }

    /// Media type and text of a manifest or index, if it was sent.
    pub fn manifest(&self, digest: &Digest) -> Option<(&str, &str)> {
        self.shared.index.manifests.get(digest).map(|m| (m.media_type.as_str(), m.text.as_str()))
    }

    /// Begins to deliver a blob to a caller in this process, instead of to an engine.
    ///
    /// An error is the last item, and the end comes after the last byte: the digest is verified before the last piece. Of
    /// the blobs that are on their way, the lowest layer is fetched first. Begin lower layers first. Call this on a runtime.
    pub fn blob(&self, digest: &Digest) -> mpsc::Receiver<io::Result<Bytes>> {
        deliver_blob(&self.shared, digest, Caller::Process)
    }

    /// Like [`blob`](Self::blob), for a caller that verifies the digest itself: damaged bytes arrive as they are.
    pub fn unverified_blob(&self, digest: &Digest) -> mpsc::Receiver<io::Result<Bytes>> {
        deliver_blob(&self.shared, digest, Caller::VerifyingProcess)
    }

    /// Bytes of all blobs of the transfer.
    pub fn total(&self) -> u64 {
        self.shared.index.blobs.values().map(|location| location.size).sum()
    }

    /// Bytes of blobs that were delivered so far.
    pub fn given(&self) -> u64 {
        self.shared.given()
    }

    /// First failure, in one line.
    pub fn broken(&self) -> Option<String> {
        self.shared.broken()
    }

    /// Stops serving and returns the counts.
    pub fn stop(self) -> Received {
        Received {
            given: self.shared.given(),
            between_ns: self.shared.between(),
            concurrency: self.shared.concurrency.count(),
            traffic: self.shared.store.counters().traffic(),
            broken: self.broken(),
        }
    }
}
