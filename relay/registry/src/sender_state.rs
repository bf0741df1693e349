//! What a sending end has been given, and what becomes of it: blobs, manifests, tags.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use handoff_storage::{AdaptiveConcurrency, monotonic_ns};
use tokio::task::JoinSet;

use crate::digest::Digest;
use crate::earlier_image::EarlierImage;
use crate::index::{BlobLocation, Index, Manifest};
use crate::store::Outgoing;
use crate::upload::{Pushed, Sink, Upload, flown};
use crate::{Error, Settings};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct SenderState {
    pub(crate) sink: Sink,
    pub(crate) earlier: Option<EarlierImage>,
    pub(crate) uploads: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Upload>>>>>,
    state: Mutex<State>,
    next_upload: AtomicU64,
    /// Bytes that came in, and bytes of blobs that were in the store already.
    received: AtomicU64,
    /// When the first byte of a blob came; 0: none yet.
    first_byte_ns: AtomicU64,
    reused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Held>,
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<String, Digest>,
    flying: JoinSet<Result<(), Error>>,
    /// The first failure: whatever is pushed after it, nothing is committed.
    broken: Option<String>,
}

/// A blob that was pushed, or found.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Small(Bytes),
    Blocks { blocks: Vec<u32>, size: u64 },
    Entry(BlobLocation),
}

impl Held {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Blocks { size, .. } => *size,
            Self::Entry(place) => place.size,
        }
    }
}

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that engines and builders pushed.
    pub received: u64,
    /// Bytes of blobs that were in the store already and were not pushed.
    pub reused: u64,
    /// Bytes of what holds the table.
    pub stored: u64,
    /// Blobs.
    pub blobs: usize,
    /// The digest of the manifest or index that was tagged last.
    pub digest: Option<String>,
    /// The digest of its config, where it has one image.
    pub config: Option<String>,
    /// The digests of its uncompressed layers, from the config.
    pub layers: Option<Vec<String>>,
    /// When the first byte of a blob was pushed, on the machine's monotonic clock.
    pub first_byte_ns: Option<u64>,
    /// When the store had taken all of them.
    pub uploaded_ns: u64,
    /// Lanes in use at the end.
    pub concurrency: usize,
    /// Requests to the service.
    pub requests: u64,
    /// Operations that were repeated.
    pub retries: u64,
    /// Connections that were opened.
    pub connections: u64,
}

impl SenderState {
    pub(crate) fn new(store: Outgoing, earlier: Option<EarlierImage>, settings: &Settings) -> Arc<Self> {
        let concurrency = AdaptiveConcurrency::new(settings.connections, settings.most_lanes());
        Arc::new(Self {
            sink: Sink { store, concurrency, part_bytes: settings.part() },
            earlier,
            uploads: Mutex::default(),
            state: Mutex::default(),
            next_upload: AtomicU64::new(1),
            received: AtomicU64::new(0),
            first_byte_ns: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload.
    pub(crate) fn begin(&self) -> String {
        let id = self.next_upload.fetch_add(1, Ordering::Relaxed).to_string();
        let upload = Arc::new(tokio::sync::Mutex::new(Some(Upload::new(id.clone()))));
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), upload);
        id
    }

    pub(crate) fn upload(&self, id: &str) -> Option<Arc<tokio::sync::Mutex<Option<Upload>>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn end(&self, id: &str) {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Counts bytes of a blob that came in.
    pub(crate) fn count_received(&self, bytes: u64) {
        if self.received.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.first_byte_ns.store(monotonic_ns(), Ordering::Relaxed);
        }
    }

    /// Waits until every block has been sent.
    pub(crate) async fn landed(&self) -> Result<(), Error> {
        let mut flying = std::mem::take(&mut self.state().flying);
        while let Some(done) = flying.join_next().await {
            flown(done)?;
        }
        Ok(())
    }

    /// The first failure, if any.
    pub(crate) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// Remembers a failure that no later push can mend.
    pub(crate) fn fail(&self, error: &Error) {
        self.state().broken.get_or_insert_with(|| error.to_string());
    }

    pub(crate) fn keep(&self, digest: &Digest, pushed: Pushed) {
        let mut state = self.state();
        let held = match pushed {
            Pushed::Small(bytes) => Held::Small(bytes),
            Pushed::Entry(place) => Held::Entry(place),
            Pushed::Blocks { blocks, size, mut flying } => {
                state.flying.spawn(async move {
                    while let Some(done) = flying.join_next().await {
                        flown(done)?;
                    }
                    Ok(())
                });
                Held::Blocks { blocks, size }
            }
        };
        state.blobs.insert(digest.clone(), held);
    }

    /// A blob that was pushed, or that the store has from an earlier run.
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<Option<Held>, Error> {
        if let Some(held) = self.state().blobs.get(digest).cloned() {
            return Ok(Some(held));
        }
        let held = match (self.sink.store.find(digest).await?, &self.earlier) {
            (Some(place), _) => Held::Entry(place),
            (None, Some(earlier)) => match earlier.small(digest).await? {
                Some(bytes) => Held::Small(bytes),
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        self.reused.fetch_add(held.size(), Ordering::Relaxed);
        self.state().blobs.insert(digest.clone(), held.clone());
        Ok(Some(held))
    }

    pub(crate) fn manifest(&self, reference: &str) -> Option<(Digest, Manifest)> {
        let state = self.state();
        let digest = state.tags.get(reference).cloned().or_else(|| reference.parse().ok())?;
        let manifest = state.manifests.get(&digest)?.clone();
        Some((digest, manifest))
    }

    pub(crate) fn with_manifests<T>(&self, look: impl FnOnce(&BTreeMap<Digest, Manifest>) -> T) -> T {
        look(&self.state().manifests)
    }

    pub(crate) fn has_manifest(&self, digest: &Digest) -> bool {
        self.state().manifests.contains_key(digest)
    }

    pub(crate) fn keep_manifest(&self, digest: &Digest, manifest: Manifest, tag: Option<&str>) {
        let mut state = self.state();
        state.manifests.insert(digest.clone(), manifest);
        if let Some(tag) = tag {
            state.tags.insert(tag.to_owned(), digest.clone());
        }
    }

    pub(crate) fn tags(&self) -> Vec<String> {
        self.state().tags.keys().cloned().collect()
    }

    /// Lays everything out: blocks blob by blob, then the small blobs, then the table.
    #[expect(clippy::type_complexity, reason = "used once")]
    pub(crate) fn table(&self, reference: &str) -> Result<(Index, Vec<u32>, Vec<u8>, u64, Sent), Error> {
        let state = self.state();
        if let Some(broken) = &state.broken {
            return Err(Error::Broken(broken.clone()));
        }
        if state.manifests.is_empty() {
            return Err(Error::NothingPushed);
        }
        let mut index = Index { reference: reference.to_owned(), ..Index::default() };
        let (mut order, mut at) = (Vec::new(), 0);
        for (digest, held) in &state.blobs {
            let place = match held {
                Held::Small(_) => continue,
                Held::Entry(place) => place.clone(),
                Held::Blocks { blocks, size } => {
                    order.extend(blocks);
                    at += size;
                    BlobLocation { entry: None, offset: at - size, size: *size }
                }
            };
            index.blobs.insert(digest.clone(), place);
        }
        let mut packed = Vec::new();
        for (digest, held) in &state.blobs {
            if let Held::Small(bytes) = held {
                let offset = at + packed.len() as u64;
                index.blobs.insert(digest.clone(), BlobLocation { entry: None, offset, size: bytes.len() as u64 });
                packed.extend_from_slice(bytes);
            }
        }
        index.manifests.clone_from(&state.manifests);
        index.tags.clone_from(&state.tags);
        let top = state.tags.values().next_back().cloned();
        let config = top.as_ref().and_then(|d| crate::manifest::config_of(d, &state.manifests));
        let layers = config.as_ref().and_then(|c| match state.blobs.get(c) {
            Some(Held::Small(bytes)) => crate::manifest::layers_of(bytes),
            _ => None,
        });
        let sent = Sent {
            received: self.received.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
            blobs: state.blobs.len(),
            digest: top.map(String::from),
            config: config.map(String::from),
            layers,
            first_byte_ns: Some(self.first_byte_ns.load(Ordering::Relaxed)).filter(|ns| *ns > 0),
            ..Sent::default()
        };
        Ok((index, order, packed, at, sent))
    }
}
