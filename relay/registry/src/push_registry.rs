//! The sending end: a registry on loopback that an engine or a builder pushes to, and that keeps nothing: what comes in
//! goes out to the store at once.

use std::sync::Arc;

use handoff_storage::{ServiceEndpoint, monotonic_ns};

use crate::earlier_image::EarlierImage;
use crate::sender_state::{SenderState, Sent};
use crate::store::{Outgoing, StoreKind};
use crate::wire::{Server, serve};
use crate::{Error, Settings};

/// A sending end that runs.
#[derive(Debug)]
pub struct PushRegistry {
    shared: Arc<SenderState>,
    server: Server,
}

impl PushRegistry {
    /// Serves, for an image of that name. An artifact is created by [`PushRegistry::ready`], or else by the first large blob.
    ///
    /// # Errors
    /// When the cache has the name already, or no port can be opened.
    pub async fn start(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        name: &str,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let store = Outgoing::open(kind, endpoint.clone(), name).await?;
        let earlier = EarlierImage::find(kind, endpoint, settings).await?;
        let shared = SenderState::new(store, earlier, settings);
        let server = serve(settings.port, Arc::new(crate::push::Push(Arc::clone(&shared)))).await?;
        Ok(Self { shared, server })
    }

    /// Waits until the store can be written to: to be called at once, beside the build, so that neither waits for the other.
    ///
    /// # Errors
    /// When the service refuses the name or the token.
    pub async fn ready(&self) -> Result<(), Error> {
        let ready = self.shared.sink.store.ready().await;
        ready.inspect_err(|error| self.shared.fail(error))
    }

    /// Where engines push to: `127.0.0.1:PORT`.
    pub fn registry(&self) -> String {
        self.server.address.to_string()
    }

    /// Where builders find the image that [`Settings::earlier`] asks for, if there is one.
    pub fn earlier(&self) -> Option<String> {
        let reference = self.shared.earlier.as_ref()?.reference()?;
        Some(format!("{}/{reference}", self.registry()))
    }

    /// Why the latest failure of pushing or building was one, in one line.
    pub fn broken(&self) -> Option<String> {
        let earlier = || self.shared.earlier.as_ref().and_then(EarlierImage::broken);
        self.shared.broken().or_else(earlier)
    }

    /// Ends the pushing and makes what was pushed visible to receivers. `reference` is the image's name, to be given back.
    ///
    /// # Errors
    /// [`Error::NothingPushed`], the first failure of any part, and what the store says.
    pub async fn commit(self, reference: &str) -> Result<Sent, Error> {
        let Self { shared, server } = self;
        drop(server);
        shared.landed().await?;
        let uploaded_ns = monotonic_ns();
        let (index, order, packed, at, sent) = shared.table(reference)?;
        let mut tail = packed;
        tail.extend(index.encode()?);
        let stored = shared.sink.store.finish(order, at, tail, &shared.sink.concurrency).await?;
        let counters = shared.sink.store.counters();
        Ok(Sent {
            stored,
            uploaded_ns,
            requests: counters.requests(),
            retries: counters.retries(),
            connections: counters.connections(),
            concurrency: shared.sink.concurrency.count(),
            ..sent
        })
    }
}
