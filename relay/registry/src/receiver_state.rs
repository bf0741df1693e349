//! State of a receiver: the stored image, and the bytes delivered to engines.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use handoff_storage::{AdaptiveConcurrency, RemoteBlob, monotonic_ns};
use tokio::sync::Semaphore;

use crate::digest::Digest;
use crate::encoding::Codec;
use crate::index::{BlobLocation, Index};
use crate::parts::BlobPart;
use crate::scheduler::{LayerScheduler, layer_positions};
use crate::store::ReceiverStore;
use crate::{Error, Settings};

/// Bytes of the first read: enough for the table and the small blobs of most images.
const TAIL_BYTES: u64 = 1 << 20;

/// State that all connections of a receiver share.
#[derive(Debug)]
pub(crate) struct ReceiverState {
    pub(crate) index: Index,
    pub(crate) concurrency: AdaptiveConcurrency,
    /// Size of a range in bytes.
    pub(crate) part_bytes: u64,
    /// Largest number of ranges held at once.
    pub(crate) max_ranges: usize,
    /// Permits for ranges that wait for an engine.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) scheduler: Arc<LayerScheduler>,
    codec: Codec,
    /// Positions of blobs in the image.
    positions: HashMap<Digest, usize>,
    pub(crate) store: ReceiverStore,
    /// Blob with the table.
    table: Arc<RemoteBlob>,
    /// Offset and content of the last bytes of `table`.
    pub(crate) tail: (u64, bytes::Bytes),
    entries: Mutex<HashMap<String, Arc<RemoteBlob>>>,
    given: AtomicU64,
    /// Time of the first request for a blob; 0: none yet.
    first_ns: AtomicU64,
    /// Time of the last delivered byte; 0: none yet.
    last_ns: AtomicU64,
    broken: Mutex<Option<String>>,
}

async fn read_table(table: &RemoteBlob) -> Result<(Index, (u64, bytes::Bytes)), Error> {
    let size = table.size();
    let mut from = size.saturating_sub(TAIL_BYTES);
    let mut tail = table.read(from..size).await?;
    let need = Index::encoded_len(&tail)?;
    if need > tail.len() as u64 {
        from = size.checked_sub(need).ok_or_else(|| Error::Table("it is truncated".to_owned()))?;
        tail = table.read(from..size).await?;
    }
    Ok((Index::decode(&tail, size)?, (from, tail)))
}

impl ReceiverState {
    /// Reads the table and checks that every cache entry of the image exists.
    pub(crate) async fn open(store: ReceiverStore, table: RemoteBlob, settings: &Settings) -> Result<Arc<Self>, Error> {
        let (index, tail) = read_table(&table).await?;
        let positions = layer_positions(&index);
        let shared = Arc::new(Self {
            scheduler: LayerScheduler::new(positions.values().copied()),
            positions,
            index,
            concurrency: AdaptiveConcurrency::new(settings.connections, settings.max_requests()),
            part_bytes: settings.part() as u64,
            max_ranges: settings.max_ranges(),
            room: Arc::new(Semaphore::new(settings.max_ranges())),
            codec: Codec::new(),
            store,
            table: Arc::new(table),
            tail,
            entries: Mutex::default(),
            given: AtomicU64::new(0),
            first_ns: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            broken: Mutex::default(),
        });
        shared.check_entries().await?;
        Ok(shared)
    }

    /// Checks the entries of large blobs before anything is pulled, because a cache may evict them between the jobs.
    async fn check_entries(self: &Arc<Self>) -> Result<(), Error> {
        let mut checks = tokio::task::JoinSet::new();
        for (digest, location) in self.index.blobs.clone() {
            let Some(key) = location.entry.clone() else { continue };
            let shared = Arc::clone(self);
            checks.spawn(async move {
                let reader = shared.store.entry(&digest, &key, &location).await?;
                shared.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(reader));
                Ok::<(), Error>(())
            });
        }
        while let Some(done) = checks.join_next().await {
            done.map_err(|e| Error::Broken(e.to_string()))??;
        }
        Ok(())
    }

    /// Finds the remote blob that stores `digest`.
    pub(crate) fn reader(&self, digest: &Digest, location: &BlobLocation) -> Result<Arc<RemoteBlob>, Error> {
        match &location.entry {
            None => Ok(Arc::clone(&self.table)),
            Some(key) => {
                let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.get(key).cloned().ok_or_else(|| Error::Evicted(digest.to_string()))
            }
        }
    }

    /// Bytes of the blob with the table that were read with the table.
    pub(crate) fn in_tail(&self, location: &BlobLocation, stored: &Range<u64>) -> Option<bytes::Bytes> {
        let (from, tail) = &self.tail;
        let start = usize::try_from(stored.start.checked_sub(*from)?).ok()?;
        let end = usize::try_from(stored.end.checked_sub(*from)?).ok()?;
        (location.entry.is_none() && end <= tail.len()).then(|| tail.slice(start..end))
    }

    /// Fetches a part of a blob, and decodes it if it is a frame.
    pub(crate) async fn fetch(
        &self,
        digest: &Digest,
        location: &BlobLocation,
        reader: &RemoteBlob,
        part: BlobPart,
    ) -> Result<bytes::Bytes, Error> {
        let stored = if let Some(bytes) = self.in_tail(location, &part.stored) {
            bytes
        } else {
            let slot = self.concurrency.take().await;
            let len = part.stored.end - part.stored.start;
            let bytes = reader.read(part.stored).await.map_err(|error| match error {
                // The entry was there when the table was read.
                handoff_storage::Error::Status { status: 404, .. } if location.entry.is_some() => {
                    Error::Evicted(digest.to_string())
                }
                other => other.into(),
            })?;
            slot.moved(len);
            bytes
        };
        let Some(frame) = part.frame else { return Ok(stored) };
        Ok(self.codec.decode(stored, frame.plain).await?.slice(frame.keep))
    }

    /// Position of a blob in the image. An engine needs lower positions earlier.
    pub(crate) fn position_of(&self, digest: &Digest) -> usize {
        self.positions.get(digest).copied().unwrap_or(0)
    }

    /// Notes an engine's request for the blob at `position`.
    pub(crate) fn note_request(&self, position: usize) {
        self.scheduler.note_request(position);
        let _ = self.first_ns.compare_exchange(0, monotonic_ns(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Counts bytes delivered to an engine.
    pub(crate) fn count_sent(&self, bytes: u64) {
        self.given.fetch_add(bytes, Ordering::Relaxed);
        self.last_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// Bytes delivered to engines.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
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
