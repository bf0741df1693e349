//! The receiving end: a registry on loopback that an engine pulls from, whose blobs come by parallel ranged GETs while they
//! are handed on in order.

use std::sync::Arc;

use handoff_storage::ServiceEndpoint;

use crate::pull::Pull;
use crate::receiver_state::ReceiverState;
use crate::store::{Incoming, StoreKind};
use crate::wire::{Server, serve};
use crate::{Error, Settings};

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Bytes of blobs that were given to engines.
    pub given: u64,
    /// From the first request of a blob to its last byte, on the machine's monotonic clock.
    pub between_ns: Option<(u64, u64)>,
    /// Lanes in use at the end.
    pub concurrency: usize,
    /// Requests to the service.
    pub requests: u64,
    /// Operations that were repeated.
    pub retries: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// The first failure, if any.
    pub broken: Option<String>,
}

/// A receiving end that runs.
#[derive(Debug)]
pub struct PullRegistry {
    shared: Arc<ReceiverState>,
    server: Server,
}

impl PullRegistry {
    /// Reads the table of what was sent under a name, and serves it.
    ///
    /// # Errors
    /// [`Error::NotSent`]; [`Error::Evicted`] when a part of it is gone already; what the service says.
    pub async fn start(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        name: &str,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let store = Incoming::open(kind, endpoint)?;
        let table = store.table(name).await?;
        let shared = ReceiverState::open(store, table, settings).await?;
        let server = serve(settings.port, Arc::new(Pull(Arc::clone(&shared)))).await?;
        Ok(Self { shared, server })
    }

    /// Where engines pull from: `127.0.0.1:PORT`.
    pub fn registry(&self) -> String {
        self.server.address.to_string()
    }

    /// The name under which the image was sent, and a tag of it.
    pub fn sent_as(&self) -> (&str, Option<&str>) {
        (&self.shared.index.reference, self.shared.index.tags.keys().next_back().map(String::as_str))
    }

    /// What went wrong so far, in one line.
    pub fn broken(&self) -> Option<String> {
        self.shared.broken()
    }

    /// Stops serving.
    pub fn stop(self) -> Received {
        let counters = self.shared.counters();
        Received {
            given: self.shared.given(),
            between_ns: self.shared.between(),
            concurrency: self.shared.concurrency.count(),
            requests: counters.requests(),
            retries: counters.retries(),
            connections: counters.connections(),
            broken: self.broken(),
        }
    }
}
