//! Receiver: a registry on loopback that fetches blobs by parallel ranged GETs and delivers them in order.

use std::sync::Arc;

use handoff_storage::{ServiceEndpoint, Traffic};

use crate::digest::Digest;
use crate::pull::PullHandler;
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
    /// [`Error::NotSent`]; [`Error::Evicted`] when a cache entry of the image is gone; errors of the service.
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

    /// Reference under which the image was sent, and its last tag.
    pub fn sent_as(&self) -> (&str, Option<&str>) {
        (&self.shared.index.reference, self.shared.index.tags.keys().next_back().map(String::as_str))
    }

    /// Reference and digest of each image of the transfer. The digest is computed from the manifest that is served.
    pub fn images(&self) -> Vec<(String, String)> {
        let index = &self.shared.index;
        let last = index.tags.values().next_back().and_then(|digest| index.manifests.get(digest));
        let digest = last.map(|manifest| Digest::of(manifest.text.as_bytes()).to_string());
        digest.map(|digest| (index.reference.clone(), digest)).into_iter().collect()
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
