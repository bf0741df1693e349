//! State of a sender: pushed blobs, manifests and tags, and their layout in the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use handoff_storage::{Traffic, monotonic_ns};
use tokio::task::JoinSet;

use crate::claims::Claims;
use crate::digest::Digest;
use crate::earlier_image::EarlierImage;
use crate::index::{BlobLocation, Index, Manifest, NamedImage};
use crate::store::SenderStore;
use crate::timeouts::SAME_BLOB_STALL_TIMEOUT;
use crate::upload::{BlockSink, FrameSizes, PushedBlob, Upload, all_sent};
use crate::{Error, Settings};

/// State that all connections of a sender share.
#[derive(Debug)]
pub(crate) struct SenderState {
    pub(crate) sink: BlockSink,
    pub(crate) earlier: Option<EarlierImage>,
    /// Digests that clients are pushing.
    pub(crate) claims: Arc<Claims>,
    pub(crate) uploads: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Upload>>>>>,
    state: Mutex<State>,
    next_upload: AtomicU64,
    /// Bytes of blobs received.
    received: AtomicU64,
    /// Time of the first byte of a blob; 0: none yet.
    first_byte_ns: AtomicU64,
    /// Bytes of blobs that were already in the store.
    reused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, KnownBlob>,
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<String, Digest>,
    in_flight: JoinSet<Result<(), Error>>,
    /// First failure. Nothing is committed after it.
    broken: Option<String>,
}

/// Blob that was pushed, or found in the store.
#[derive(Debug, Clone)]
pub(crate) enum KnownBlob {
    Small(Bytes),
    Blocks { blocks: Vec<u32>, size: u64, sizes: Option<FrameSizes> },
    Entry(BlobLocation),
}

impl KnownBlob {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Blocks { size, .. } => *size,
            Self::Entry(location) => location.size,
        }
    }
}

/// Result of a sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that engines and builders pushed.
    pub received: u64,
    /// Bytes of these in their encoding, as they were sent to the store.
    pub uploaded: u64,
    /// Bytes of blobs that were already in the store and not pushed.
    pub reused: u64,
    /// Size in bytes of the artifact or entry with the table.
    pub stored: u64,
    /// Number of blobs.
    pub blobs: usize,
    /// Images of the commit, in its order.
    pub images: Vec<NamedImage>,
    /// Digest of the manifest or index of the first image; of the last tag if the commit names none.
    pub digest: Option<String>,
    /// Digest of the config of this image.
    pub config: Option<String>,
    /// Digests of the uncompressed layers, from the config.
    pub layers: Option<Vec<String>>,
    /// Time of the first pushed byte, in ns of `CLOCK_MONOTONIC`.
    pub first_byte_ns: Option<u64>,
    /// Time at which the store had accepted the last block, in ns of `CLOCK_MONOTONIC`.
    pub uploaded_ns: u64,
    /// Requests in flight at the end.
    pub concurrency: usize,
    /// Counts of requests to the service.
    pub traffic: Traffic,
}

impl SenderState {
    pub(crate) fn new(store: SenderStore, earlier: Option<EarlierImage>, settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            sink: BlockSink::new(store, settings),
            earlier,
            claims: Claims::new(SAME_BLOB_STALL_TIMEOUT),
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

    /// Counts received bytes of a blob.
    pub(crate) fn count_received(&self, bytes: u64) {
        if self.received.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.first_byte_ns.store(monotonic_ns(), Ordering::Relaxed);
        }
    }

    /// Bytes of blobs received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Waits until every block has been sent.
    pub(crate) async fn wait_for_blocks(&self) -> Result<(), Error> {
        let in_flight = std::mem::take(&mut self.state().in_flight);
        all_sent(in_flight).await
    }

    /// The first failure, if any.
    pub(crate) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// Records a failure that no later push can fix.
    pub(crate) fn fail(&self, error: &Error) {
        self.state().broken.get_or_insert_with(|| error.to_string());
    }

    /// Whether a client of this sender has pushed the blob.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.state().blobs.contains_key(digest)
    }

    pub(crate) fn keep(&self, digest: &Digest, pushed: PushedBlob) {
        let mut state = self.state();
        let held = match pushed {
            PushedBlob::Duplicate => return,
            PushedBlob::Small(bytes) => KnownBlob::Small(bytes),
            PushedBlob::Entry(location) => KnownBlob::Entry(location),
            PushedBlob::Blocks { blocks, size, sizes, in_flight } => {
                state.in_flight.spawn(all_sent(in_flight));
                KnownBlob::Blocks { blocks, size, sizes }
            }
        };
        state.blobs.insert(digest.clone(), held);
    }

    /// Finds a blob that was pushed, or stored by an earlier run.
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<Option<KnownBlob>, Error> {
        if let Some(held) = self.state().blobs.get(digest).cloned() {
            return Ok(Some(held));
        }
        let held = match (self.sink.store.find(digest).await?, &self.earlier) {
            (Some(location), _) => KnownBlob::Entry(location),
            (None, Some(earlier)) => match earlier.small(digest).await? {
                Some(bytes) => KnownBlob::Small(bytes),
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

    pub(crate) fn with_manifests<T>(&self, read: impl FnOnce(&BTreeMap<Digest, Manifest>) -> T) -> T {
        read(&self.state().manifests)
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

    /// Computes the layout of the stored transfer: blocks blob by blob, then the small blobs, then the table. All blocks are sent.
    pub(crate) fn layout(&self, references: &[(&str, &str)]) -> Result<Layout, Error> {
        let state = self.state();
        if let Some(broken) = &state.broken {
            return Err(Error::Broken(broken.clone()));
        }
        if state.manifests.is_empty() {
            return Err(Error::NothingPushed);
        }
        let images = state.images(references)?;
        let mut index = Index { images: images.clone(), ..Index::default() };
        index.reference = images.first().map(|image| image.reference.clone()).unwrap_or_default();
        let (mut order, mut at) = (Vec::new(), 0);
        for (digest, held) in &state.blobs {
            let location = match held {
                KnownBlob::Small(_) => continue,
                KnownBlob::Entry(location) => location.clone(),
                KnownBlob::Blocks { blocks, size, sizes } => {
                    order.extend(blocks);
                    let frames = sizes.as_ref().map(FrameSizes::frames);
                    let location = BlobLocation { entry: None, offset: at, size: *size, frames };
                    at += location.stored();
                    location
                }
            };
            index.blobs.insert(digest.clone(), location);
        }
        let mut packed = Vec::new();
        for (digest, held) in &state.blobs {
            if let KnownBlob::Small(bytes) = held {
                let offset = at + packed.len() as u64;
                index.blobs.insert(digest.clone(), BlobLocation::plain(None, offset, bytes.len() as u64));
                packed.extend_from_slice(bytes);
            }
        }
        index.manifests.clone_from(&state.manifests);
        index.tags.clone_from(&state.tags);
        let last = || state.tags.values().next_back().cloned();
        let top = images.first().map(|image| image.digest.clone()).or_else(last);
        let config = top.as_ref().and_then(|d| crate::manifest::config_of(d, &state.manifests));
        let layers = config.as_ref().and_then(|c| match state.blobs.get(c) {
            Some(KnownBlob::Small(bytes)) => crate::manifest::layers_of(bytes),
            _ => None,
        });
        let saved: u64 = index.blobs.values().map(|location| location.size.saturating_sub(location.stored())).sum();
        let received = self.received.load(Ordering::Relaxed);
        let sent = Sent {
            received,
            uploaded: received.saturating_sub(saved),
            reused: self.reused.load(Ordering::Relaxed),
            blobs: state.blobs.len(),
            images,
            digest: top.map(String::from),
            config: config.map(String::from),
            layers,
            first_byte_ns: Some(self.first_byte_ns.load(Ordering::Relaxed)).filter(|ns| *ns > 0),
            ..Sent::default()
        };
        Ok(Layout { index, order, packed, before: at, sent })
    }
}

impl State {
    /// Images of a commit, by their references and tags.
    fn images(&self, references: &[(&str, &str)]) -> Result<Vec<NamedImage>, Error> {
        let named = references.iter().map(|(reference, tag)| {
            let not_pushed = || Error::NotPushed { reference: (*reference).to_owned(), tag: (*tag).to_owned() };
            let digest = self.tags.get(*tag).cloned().ok_or_else(not_pushed)?;
            // The specification allows a push of an empty index, so it is refused here.
            let is_empty = self.manifests.get(&digest).is_none_or(|m| crate::manifest::is_empty_index(&m.text));
            if is_empty {
                return Err(Error::EmptyIndex((*reference).to_owned()));
            }
            Ok(NamedImage { reference: (*reference).to_owned(), digest })
        });
        named.collect()
    }
}

/// Layout of a stored transfer.
pub(crate) struct Layout {
    pub(crate) index: Index,
    /// Blocks in the order of the artifact.
    pub(crate) order: Vec<u32>,
    /// Small blobs.
    pub(crate) packed: Vec<u8>,
    /// Bytes before the small blobs.
    pub(crate) before: u64,
    pub(crate) sent: Sent,
}
