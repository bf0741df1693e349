//! Sender: a registry on loopback that forwards every pushed blob to the store at once and keeps nothing.

use std::sync::Arc;

use handoff_storage::{ServiceEndpoint, monotonic_ns};

use crate::earlier_image::EarlierImage;
use crate::sender_state::{Layout, SenderState, Sent};
use crate::store::{SenderStore, StoreKind};
use crate::wire::{Server, serve};
use crate::{Error, Settings};

/// Running registry of a sender, for an engine or a builder to push to.
#[derive(Debug)]
pub struct PushRegistry {
    shared: Arc<SenderState>,
    server: Server,
}

impl PushRegistry {
    /// Starts a sender for the image `name`. [`PushRegistry::ready`] or the first large blob creates the artifact.
    ///
    /// # Errors
    /// [`Error::Taken`] when the cache has the name already, [`Error::System`] when no port can be opened.
    pub async fn start(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        name: &str,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let store = SenderStore::open(kind, endpoint.clone(), name, settings.retention_days).await?;
        let earlier = EarlierImage::find(kind, endpoint, settings).await?;
        let shared = SenderState::new(store, earlier, settings);
        let server = serve(settings.port, Arc::new(crate::push::PushHandler(Arc::clone(&shared)))).await?;
        Ok(Self { shared, server })
    }

    /// Waits until the store accepts writes. Call it at once, in parallel with the build, to hide this time.
    ///
    /// # Errors
    /// When the service refuses the name or the token.
    pub async fn ready(&self) -> Result<(), Error> {
        let ready = self.shared.sink.store.ready().await;
        ready.inspect_err(|error| self.shared.fail(error))
    }

    /// Address to push to: `127.0.0.1:PORT`.
    pub fn registry(&self) -> String {
        self.server.address.to_string()
    }

    /// Reference of the image found by [`Settings::earlier`], for builders.
    pub fn earlier(&self) -> Option<String> {
        let reference = self.shared.earlier.as_ref()?.reference()?;
        Some(format!("{}/{reference}", self.registry()))
    }

    /// Bytes of blobs that were pushed so far.
    pub fn received(&self) -> u64 {
        self.shared.received()
    }

    /// First failure of the push or of the earlier image, in one line.
    pub fn broken(&self) -> Option<String> {
        let earlier = || self.shared.earlier.as_ref().and_then(EarlierImage::broken);
        self.shared.broken().or_else(earlier)
    }

    /// Tags that were pushed, sorted.
    pub fn tags(&self) -> Vec<String> {
        self.shared.tags()
    }

    /// Stops serving and makes the pushed images visible to receivers: each reference with the tag under which it was pushed.
    /// Other images in the same transfer stay reachable by tag and digest.
    ///
    /// # Errors
    /// [`Error::NothingPushed`], [`Error::NotPushed`], [`Error::EmptyIndex`], the first failure of a push, and errors of the
    /// store.
    pub async fn commit<R, T>(self, references: &[(R, T)]) -> Result<Sent, Error>
    where
        R: AsRef<str>,
        T: AsRef<str>,
    {
        let Self { shared, server } = self;
        drop(server);
        shared.wait_for_blocks().await?;
        let uploaded_ns = monotonic_ns();
        let references: Vec<_> = references.iter().map(|(reference, tag)| (reference.as_ref(), tag.as_ref())).collect();
        let Layout { index, order, packed: mut tail, before, sent } = shared.layout(&references)?;
        tail.extend(index.encode()?);
        let stored = shared.sink.store.finish(order, before, tail, &shared.sink.concurrency).await?;
        let (traffic, concurrency) = (shared.sink.store.counters().traffic(), shared.sink.concurrency.count());
        Ok(Sent { stored, uploaded_ns, concurrency, traffic, ..sent })
    }
}
