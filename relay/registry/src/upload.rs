//! Upload of one pushed blob: hashed on arrival, kept if small, else split into blocks that are sent at once.
//!
//! An encoded blob is split into frames. Each frame is a block of its own: one task compresses and sends it, no frame waits for
//! another, and nothing is copied from frames into blocks.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use handoff_storage::AdaptiveConcurrency;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::digest::Digest;
use crate::encoding::{Codec, Encoding, FRAME_BYTES, Frames, is_compressed};
use crate::index::BlobLocation;
use crate::store::{SenderStore, Target};
use crate::{Error, FLIGHT_BYTES, SMALL_BYTES, Settings};

/// Destination of uploaded blocks.
#[derive(Debug)]
pub(crate) struct BlockSink {
    pub(crate) store: SenderStore,
    pub(crate) concurrency: AdaptiveConcurrency,
    /// Size of a block of plain bytes.
    part_bytes: usize,
    encoding: Encoding,
    codec: Codec,
    /// Permits for frames in memory, plain or encoded.
    room: Arc<Semaphore>,
}

impl BlockSink {
    pub(crate) fn new(store: SenderStore, settings: &Settings) -> Self {
        Self {
            store,
            concurrency: AdaptiveConcurrency::new(settings.connections, settings.max_requests()),
            part_bytes: settings.part(),
            encoding: settings.encoding,
            codec: Codec::new(),
            room: Arc::new(Semaphore::new(FLIGHT_BYTES / FRAME_BYTES)),
        }
    }
}

/// Stored sizes of frames. A size is there when its frame is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameSizes(Arc<Mutex<Vec<u32>>>);

impl FrameSizes {
    fn add(&self) -> usize {
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.push(0);
        sizes.len() - 1
    }

    fn set(&self, frame: usize, stored: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[frame] = stored as u32;
    }

    /// Frames, after all are sent.
    pub(crate) fn frames(&self) -> Frames {
        Frames::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Blob that is being pushed.
#[derive(Debug)]
pub(crate) struct Upload {
    id: String,
    hash: Sha256,
    size: u64,
    buffer: BytesMut,
    large: Option<Large>,
    /// Whether another client has stored the blob, so that its bytes are only hashed.
    is_duplicate: bool,
}

#[derive(Debug)]
struct Large {
    target: Target,
    blocks: Vec<u32>,
    /// Sizes of the frames of an encoded blob.
    sizes: Option<FrameSizes>,
    /// Size of a block or a frame's plain bytes.
    block_bytes: usize,
    in_flight: JoinSet<Result<(), Error>>,
}

/// Completely pushed blob.
pub(crate) enum PushedBlob {
    /// Small blob, stored with the table.
    Small(Bytes),
    /// Blocks of the artifact, some of which may still be in flight.
    Blocks { blocks: Vec<u32>, size: u64, sizes: Option<FrameSizes>, in_flight: JoinSet<Result<(), Error>> },
    /// Complete cache entry.
    Entry(BlobLocation),
    /// Blob that another client has stored.
    Duplicate,
}

impl Upload {
    pub(crate) fn new(id: String) -> Self {
        Self { id, hash: Sha256::new(), size: 0, buffer: BytesMut::new(), large: None, is_duplicate: false }
    }

    /// Bytes received so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Notes that another client has stored the blob.
    pub(crate) fn set_duplicate(&mut self) {
        self.is_duplicate = true;
    }

    /// Appends bytes. `digest` is the digest that the client announced, if any.
    pub(crate) async fn push(&mut self, sink: &BlockSink, bytes: &[u8], digest: Option<&Digest>) -> Result<(), Error> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_stored() {
            let block = self.large.as_ref().map(|large| large.block_bytes);
            if self.buffer.capacity() == 0 {
                self.buffer.reserve(block.unwrap_or(SMALL_BYTES.min(rest.len().max(4096))));
            }
            let limit = block.unwrap_or(SMALL_BYTES);
            let take = rest.len().min(limit - self.buffer.len());
            self.buffer.extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            if self.buffer.len() < limit {
                continue;
            }
            if self.large.is_none() {
                self.open(sink, digest).await?;
            } else {
                self.send_block(sink).await?;
            }
        }
        Ok(())
    }

    /// Whether the store has the blob already.
    fn is_stored(&self) -> bool {
        self.is_duplicate || matches!(&self.large, Some(Large { target: Target::Known(_), .. }))
    }

    /// Opens the destination of a blob that is too large for the table.
    async fn open(&mut self, sink: &BlockSink, digest: Option<&Digest>) -> Result<(), Error> {
        let is_encoded = sink.encoding == Encoding::Zstd && !is_compressed(&self.buffer);
        let target = sink.store.target(digest, &self.id, is_encoded).await?;
        let block_bytes = if is_encoded { FRAME_BYTES } else { sink.part_bytes };
        if matches!(target, Target::Known(_)) {
            self.buffer = BytesMut::new();
        } else {
            self.buffer.reserve(block_bytes - self.buffer.len());
        }
        let sizes = is_encoded.then(FrameSizes::default);
        self.large = Some(Large { target, blocks: Vec::new(), sizes, block_bytes, in_flight: JoinSet::new() });
        Ok(())
    }

    async fn send_block(&mut self, sink: &BlockSink) -> Result<(), Error> {
        let Some(large) = &mut self.large else { return Ok(()) };
        let bytes = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(large.block_bytes)).freeze();
        let Some((writer, number)) = sink.store.block(&large.target) else { return Ok(()) };
        large.blocks.push(number);
        // Waiting here, for room or for a slot, limits reading from the client to the speed of the uploads.
        if let Some(sizes) = large.sizes.clone() {
            let room = Arc::clone(&sink.room).acquire_owned().await;
            let room = room.map_err(|e| Error::Broken(e.to_string()))?;
            let (codec, concurrency, frame) = (sink.codec.clone(), sink.concurrency.clone(), sizes.add());
            large.in_flight.spawn(async move {
                let stored = codec.encode(bytes).await?;
                sizes.set(frame, stored.len());
                let (slot, len) = (concurrency.take().await, stored.len() as u64);
                writer.put(number, stored).await?;
                slot.moved(len);
                drop(room);
                Ok(())
            });
        } else {
            let (slot, len) = (sink.concurrency.take().await, bytes.len() as u64);
            large.in_flight.spawn(async move {
                writer.put(number, bytes).await?;
                slot.moved(len);
                Ok(())
            });
        }
        // A failed block is reported now, not after gigabytes.
        while let Some(done) = large.in_flight.try_join_next() {
            block_result(done)?;
        }
        Ok(())
    }

    /// Completes the blob after checking it against the client's digest.
    pub(crate) async fn finish(mut self, sink: &BlockSink, digest: &Digest) -> Result<PushedBlob, Error> {
        if self.large.is_some() && !self.buffer.is_empty() {
            self.send_block(sink).await?;
        }
        digest.check(&Digest::finish(self.hash))?;
        if self.is_duplicate {
            return Ok(PushedBlob::Duplicate);
        }
        let size = self.size;
        let Some(large) = self.large else { return Ok(PushedBlob::Small(self.buffer.freeze())) };
        let Large { target, mut blocks, sizes, in_flight, .. } = large;
        match target {
            Target::Artifact(_) => Ok(PushedBlob::Blocks { blocks, size, sizes, in_flight }),
            Target::Known(location) if location.size == size => Ok(PushedBlob::Entry(location)),
            Target::Known(location) => {
                let key = location.entry.unwrap_or_default();
                Err(Error::OtherSize { key, stored: location.size, pushed: size })
            }
            Target::Entry { key, blob, next } => {
                all_sent(in_flight).await?;
                let frames = sizes.map(|sizes| sizes.frames());
                if let Some(frames) = &frames {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    blob.put(number, frames.encode_list(size).into()).await?;
                    blocks.push(number);
                }
                let location = BlobLocation { entry: Some(key.clone()), offset: 0, size, frames };
                blob.commit(blocks, crate::store::MIME).await?;
                sink.store.finalize_entry(&key, location.entry_size()).await?;
                Ok(PushedBlob::Entry(location))
            }
        }
    }
}

/// Result of the task that sent a block.
fn block_result(done: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    done.map_err(|e| Error::Broken(format!("sending a block: {e}")))?
}

/// Waits for all blocks in flight.
pub(crate) async fn all_sent(mut in_flight: JoinSet<Result<(), Error>>) -> Result<(), Error> {
    while let Some(done) = in_flight.join_next().await {
        block_result(done)?;
    }
    Ok(())
}
