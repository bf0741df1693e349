//! Upload of one pushed blob: hashed on arrival, kept if small, else split into blocks that are sent at once.

use bytes::{Bytes, BytesMut};
use handoff_storage::AdaptiveConcurrency;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::digest::Digest;
use crate::index::BlobLocation;
use crate::store::{SenderStore, Target};
use crate::{Error, SMALL_BYTES};

/// Destination of uploaded blocks.
#[derive(Debug)]
pub(crate) struct BlockSink {
    pub(crate) store: SenderStore,
    pub(crate) concurrency: AdaptiveConcurrency,
    /// Size of a block in bytes.
    pub(crate) part_bytes: usize,
}

/// Blob that is being pushed.
#[derive(Debug)]
pub(crate) struct Upload {
    id: String,
    hash: Sha256,
    size: u64,
    buffer: BytesMut,
    large: Option<Large>,
}

#[derive(Debug)]
struct Large {
    target: Target,
    blocks: Vec<u32>,
    in_flight: JoinSet<Result<(), Error>>,
}

/// Completely pushed blob.
pub(crate) enum PushedBlob {
    /// Small blob, stored with the table.
    Small(Bytes),
    /// Blocks of the artifact, some of which may still be in flight.
    Blocks { blocks: Vec<u32>, size: u64, in_flight: JoinSet<Result<(), Error>> },
    /// Complete cache entry.
    Entry(BlobLocation),
}

impl Upload {
    pub(crate) fn new(id: String) -> Self {
        Self { id, hash: Sha256::new(), size: 0, buffer: BytesMut::new(), large: None }
    }

    /// Bytes received so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes. `digest` is the digest that the client announced, if any.
    pub(crate) async fn push(&mut self, sink: &BlockSink, bytes: &[u8], digest: Option<&Digest>) -> Result<(), Error> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        let (mut rest, block) = (bytes, sink.part_bytes);
        while !rest.is_empty() {
            if self.buffer.capacity() == 0 {
                let small = SMALL_BYTES.min(rest.len().max(4096));
                self.buffer.reserve(if self.large.is_some() { block } else { small });
            }
            let limit = if self.large.is_some() { block } else { SMALL_BYTES };
            let take = rest.len().min(limit - self.buffer.len());
            self.buffer.extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            if self.buffer.len() < limit {
                continue;
            }
            if self.large.is_none() {
                let target = sink.store.target(digest, &self.id).await?;
                self.large = Some(Large { target, blocks: Vec::new(), in_flight: JoinSet::new() });
                self.buffer.reserve(block - self.buffer.len());
            } else {
                self.send_block(sink).await?;
            }
        }
        Ok(())
    }

    async fn send_block(&mut self, sink: &BlockSink) -> Result<(), Error> {
        let Some(large) = &mut self.large else { return Ok(()) };
        let bytes = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(sink.part_bytes)).freeze();
        let Some((writer, number)) = sink.store.block(&large.target) else { return Ok(()) };
        large.blocks.push(number);
        // Waiting for a slot here limits reading from the client to the speed of the uploads.
        let slot = sink.concurrency.take().await;
        let len = bytes.len() as u64;
        large.in_flight.spawn(async move {
            writer.put(number, bytes).await?;
            slot.moved(len);
            Ok(())
        });
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
        let size = self.size;
        match self.large {
            None => Ok(PushedBlob::Small(self.buffer.freeze())),
            Some(Large { target: Target::Artifact(_), blocks, in_flight }) => {
                Ok(PushedBlob::Blocks { blocks, size, in_flight })
            }
            Some(Large { target: Target::Known { key }, .. }) => {
                Ok(PushedBlob::Entry(BlobLocation { entry: Some(key), offset: 0, size }))
            }
            Some(Large { target: Target::Entry { key, blob, .. }, blocks, in_flight }) => {
                all_sent(in_flight).await?;
                blob.commit(blocks, crate::store::MIME).await?;
                sink.store.finalize_entry(&key, size).await?;
                Ok(PushedBlob::Entry(BlobLocation { entry: Some(key), offset: 0, size }))
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
