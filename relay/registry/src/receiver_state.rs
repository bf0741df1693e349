//! What a receiving end finds in the store, and what engines have taken of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use handoff_storage::{AdaptiveConcurrency, Counters, RemoteBlob, monotonic_ns};
use tokio::sync::Semaphore;

use crate::digest::Digest;
use crate::index::{BlobLocation, Index};
use crate::scheduler::{LayerScheduler, places};
use crate::store::Incoming;
use crate::{Error, Settings};

/// Read at first: enough for the table and the small blobs of most images.
const TAIL: u64 = 1 << 20;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct ReceiverState {
    pub(crate) index: Index,
    pub(crate) concurrency: AdaptiveConcurrency,
    /// Bytes of a range.
    pub(crate) part_bytes: u64,
    /// The most ranges that are held at once.
    pub(crate) most_ranges: usize,
    /// Room for ranges that wait until an engine takes them.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) scheduler: Arc<LayerScheduler>,
    /// Where blobs stand in the image.
    places: HashMap<Digest, usize>,
    store: Incoming,
    /// What holds the table, and its last bytes.
    table: Arc<RemoteBlob>,
    pub(crate) tail: (u64, bytes::Bytes),
    entries: Mutex<HashMap<String, Arc<RemoteBlob>>>,
    given: AtomicU64,
    /// When the first and the latest byte of a blob went to an engine; 0: none yet.
    first_ns: AtomicU64,
    last_ns: AtomicU64,
    broken: Mutex<Option<String>>,
}

async fn read_table(table: &RemoteBlob) -> Result<(Index, (u64, bytes::Bytes)), Error> {
    let size = table.size();
    let mut from = size.saturating_sub(TAIL);
    let mut tail = table.read(from..size).await?;
    let need = Index::encoded_len(&tail)?;
    if need > tail.len() as u64 {
        from = size.checked_sub(need).ok_or_else(|| Error::Table("it is cut short".to_owned()))?;
        tail = table.read(from..size).await?;
    }
    Ok((Index::decode(&tail)?, (from, tail)))
}

impl ReceiverState {
    /// Reads the table, and looks whether everything that it names is there.
    pub(crate) async fn open(store: Incoming, table: RemoteBlob, settings: &Settings) -> Result<Arc<Self>, Error> {
        let (index, tail) = read_table(&table).await?;
        let places = places(&index);
        let shared = Arc::new(Self {
            scheduler: LayerScheduler::new(places.values().copied()),
            places,
            index,
            concurrency: AdaptiveConcurrency::new(settings.connections, settings.most_lanes()),
            part_bytes: settings.part() as u64,
            most_ranges: settings.most_ranges(),
            room: Arc::new(Semaphore::new(settings.most_ranges())),
            store,
            table: Arc::new(table),
            tail,
            entries: Mutex::default(),
            given: AtomicU64::new(0),
            first_ns: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            broken: Mutex::default(),
        });
        shared.look_for_entries().await?;
        Ok(shared)
    }

    /// Large blobs in entries of their own may be evicted between the jobs: that is told before anything is pulled.
    async fn look_for_entries(self: &Arc<Self>) -> Result<(), Error> {
        let mut looks = tokio::task::JoinSet::new();
        for (digest, place) in self.index.blobs.clone() {
            let Some(key) = place.entry else { continue };
            let shared = Arc::clone(self);
            looks.spawn(async move {
                let reader = shared.store.entry(&digest, &key, place.size).await?;
                shared.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(reader));
                Ok::<(), Error>(())
            });
        }
        while let Some(done) = looks.join_next().await {
            done.map_err(|e| Error::Broken(e.to_string()))??;
        }
        Ok(())
    }

    /// Where a blob is read from.
    pub(crate) fn reader(&self, digest: &Digest, place: &BlobLocation) -> Result<Arc<RemoteBlob>, Error> {
        match &place.entry {
            None => Ok(Arc::clone(&self.table)),
            Some(key) => {
                let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.get(key).cloned().ok_or_else(|| Error::Evicted(digest.to_string()))
            }
        }
    }

    /// Where a blob stands in the image: the lower, the earlier an engine needs it.
    pub(crate) fn place_of(&self, digest: &Digest) -> usize {
        self.places.get(digest).copied().unwrap_or(0)
    }

    /// An engine asks for a blob.
    pub(crate) fn asked(&self, place: usize) {
        self.scheduler.asked(place);
        let _ = self.first_ns.compare_exchange(0, monotonic_ns(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Bytes of a blob went to an engine.
    pub(crate) fn count_sent(&self, bytes: u64) {
        self.given.fetch_add(bytes, Ordering::Relaxed);
        self.last_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// Bytes that went to engines.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.store.counters()
    }

    pub(crate) fn between(&self) -> Option<(u64, u64)> {
        let (first, last) = (self.first_ns.load(Ordering::Relaxed), self.last_ns.load(Ordering::Relaxed));
        (first > 0 && last > 0).then_some((first, last))
    }

    pub(crate) fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn fail(&self, error: &Error) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_string());
    }
}
