//! Image of an earlier run that a sender serves to builders, so that only new layers are built and sent.

use std::sync::Arc;

use bytes::Bytes;
use handoff_storage::ServiceEndpoint;
use http::{Method, Request};
use hyper::body::Incoming as Body;

use crate::digest::Digest;
use crate::index::BlobLocation;
use crate::pull::PullHandler;
use crate::receiver_state::ReceiverState;
use crate::store::{ReceiverStore, StoreKind};
use crate::wire::{Answer, Handler};
use crate::{Error, Settings};

/// Repository under which a sender serves the earlier image.
const REPOSITORY: &str = "handoff-earlier";

/// Complete image that an earlier run sent.
#[derive(Debug)]
pub(crate) struct EarlierImage(Arc<ReceiverState>);

impl EarlierImage {
    /// Finds the newest image with the prefix [`Settings::earlier`]. An image with an evicted entry does not count, because a
    /// build from it would fail.
    pub(crate) async fn find(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        settings: &Settings,
    ) -> Result<Option<Self>, Error> {
        let Some(prefix) = &settings.earlier else { return Ok(None) };
        let store = ReceiverStore::open(kind, endpoint)?;
        let Some(table) = store.newest(prefix).await? else { return Ok(None) };
        match ReceiverState::open(store, table, settings).await {
            Ok(shared) => Ok(Some(Self(shared))),
            Err(Error::Evicted { .. } | Error::NotInCache { .. } | Error::Table { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Repository and tag of the image.
    pub(crate) fn reference(&self) -> Option<String> {
        let tag = self.0.index.tags.keys().next_back()?;
        Some(format!("{REPOSITORY}:{tag}"))
    }

    /// Whether a request is for the earlier image.
    pub(crate) fn is_requested(repository: &str, method: &Method) -> bool {
        repository == REPOSITORY && (method == Method::GET || method == Method::HEAD)
    }

    /// Answers a request for the earlier image.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        Arc::new(PullHandler(Arc::clone(&self.0))).handle(request).await
    }

    /// Content of a small blob, which is stored with the table.
    pub(crate) async fn small(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        // A small blob is never encoded, and a large one of the same cache is a cache entry.
        let is_small = |location: &&BlobLocation| location.entry.is_none() && location.frames.is_none();
        let Some(location) = self.0.index.blobs.get(digest).filter(is_small) else { return Ok(None) };
        let reader = self.0.reader(digest, location)?;
        let bytes = reader.read(location.offset..location.offset + location.size).await?;
        digest.check(&Digest::of(&bytes))?;
        Ok(Some(bytes))
    }

    /// First failure of serving it.
    pub(crate) fn broken(&self) -> Option<String> {
        self.0.broken()
    }
}
