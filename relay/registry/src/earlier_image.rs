//! The image of an earlier run, beside what is being pushed: a builder builds from it and sends only what is new.

use std::sync::Arc;

use bytes::Bytes;
use handoff_storage::ServiceEndpoint;
use http::{Method, Request};
use hyper::body::Incoming as Body;

use crate::digest::Digest;
use crate::pull::Pull;
use crate::receiver_state::ReceiverState;
use crate::store::{Incoming, StoreKind};
use crate::wire::{Answer, Handler};
use crate::{Error, Settings};

/// The repository under which a sending end gives the earlier image.
const REPOSITORY: &str = "handoff-earlier";

/// An image that an earlier run sent, whole.
#[derive(Debug)]
pub(crate) struct EarlierImage(Arc<ReceiverState>);

impl EarlierImage {
    /// The newest image whose name begins so. One of which a part was evicted is none: building from it would break off.
    pub(crate) async fn find(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        settings: &Settings,
    ) -> Result<Option<Self>, Error> {
        let Some(beginning) = &settings.earlier else { return Ok(None) };
        let store = Incoming::open(kind, endpoint)?;
        let Some(table) = store.newest(beginning).await? else { return Ok(None) };
        match ReceiverState::open(store, table, settings).await {
            Ok(shared) => Ok(Some(Self(shared))),
            Err(Error::Evicted { .. } | Error::Table { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Repository and tag.
    pub(crate) fn reference(&self) -> Option<String> {
        let tag = self.0.index.tags.keys().next_back()?;
        Some(format!("{REPOSITORY}:{tag}"))
    }

    /// Whether a request asks for it.
    pub(crate) fn is_asked(repository: &str, method: &Method) -> bool {
        repository == REPOSITORY && (method == Method::GET || method == Method::HEAD)
    }

    /// Answers such a request.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        Arc::new(Pull(Arc::clone(&self.0))).handle(request).await
    }

    /// A blob that has no entry of its own, because it is small.
    pub(crate) async fn small(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        let Some(place) = self.0.index.blobs.get(digest).filter(|place| place.entry.is_none()) else {
            return Ok(None);
        };
        let reader = self.0.reader(digest, place)?;
        let bytes = reader.read(place.offset..place.offset + place.size).await?;
        digest.check(&Digest::of(&bytes))?;
        Ok(Some(bytes))
    }

    /// Why giving it failed, if it did.
    pub(crate) fn broken(&self) -> Option<String> {
        self.0.broken()
    }
}
