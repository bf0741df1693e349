//! One blob on its way in: hashed as it comes, kept if small, else cut into blocks that are sent while the rest arrives.

use bytes::{Bytes, BytesMut};
use handoff_storage::AdaptiveConcurrency;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::digest::Digest;
use crate::index::BlobLocation;
use crate::store::{Outgoing, Target};
use crate::{Error, SMALL_BYTES};

/// Where the blocks of uploads go.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) store: Outgoing,
    pub(crate) concurrency: AdaptiveConcurrency,
    /// Bytes of a block.
    pub(crate) part_bytes: usize,
}

/// A blob that is being pushed.
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
    flying: JoinSet<Result<(), Error>>,
}

/// A blob that has been pushed whole.
pub(crate) enum Pushed {
    /// It is small: it travels with the table.
    Small(Bytes),
    /// Blocks of the artifact; they may still be on their way.
    Blocks { blocks: Vec<u32>, size: u64, flying: JoinSet<Result<(), Error>> },
    /// A cache entry; it is complete.
    Entry(BlobLocation),
}

impl Upload {
    pub(crate) fn new(id: String) -> Self {
        Self { id, hash: Sha256::new(), size: 0, buffer: BytesMut::new(), large: None }
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes. `digest` is what the client has announced, if it has.
    pub(crate) async fn push(&mut self, sink: &Sink, bytes: &[u8], digest: Option<&Digest>) -> Result<(), Error> {
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
                self.large = Some(Large { target, blocks: Vec::new(), flying: JoinSet::new() });
                self.buffer.reserve(block - self.buffer.len());
            } else {
                self.send_block(sink).await?;
            }
        }
        Ok(())
    }

    async fn send_block(&mut self, sink: &Sink) -> Result<(), Error> {
        let Some(large) = &mut self.large else { return Ok(()) };
        let bytes = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(sink.part_bytes)).freeze();
        let Some((writer, number)) = sink.store.block(&large.target) else { return Ok(()) };
        large.blocks.push(number);
        // A lane is waited for here: the client is read no faster than bytes leave.
        let lane = sink.concurrency.take().await;
        let len = bytes.len() as u64;
        large.flying.spawn(async move {
            writer.put(number, bytes).await?;
            lane.moved(len);
            Ok(())
        });
        // What has failed already is told now, not at the end of gigabytes.
        while let Some(done) = large.flying.try_join_next() {
            flown(done)?;
        }
        Ok(())
    }

    /// The blob is whole: its digest must be the one that the client names.
    pub(crate) async fn finish(mut self, sink: &Sink, digest: &Digest) -> Result<Pushed, Error> {
        if self.large.is_some() && !self.buffer.is_empty() {
            self.send_block(sink).await?;
        }
        digest.check(&Digest::finish(self.hash))?;
        let size = self.size;
        match self.large {
            None => Ok(Pushed::Small(self.buffer.freeze())),
            Some(Large { target: Target::Shared(_), blocks, flying }) => Ok(Pushed::Blocks { blocks, size, flying }),
            Some(Large { target: Target::Known { key }, .. }) => {
                Ok(Pushed::Entry(BlobLocation { entry: Some(key), offset: 0, size }))
            }
            Some(Large { target: Target::Entry { key, blob, .. }, blocks, mut flying }) => {
                while let Some(done) = flying.join_next().await {
                    flown(done)?;
                }
                blob.commit(&blocks, crate::store::MIME).await?;
                sink.store.finalize_entry(&key, size).await?;
                Ok(Pushed::Entry(BlobLocation { entry: Some(key), offset: 0, size }))
            }
        }
    }
}

/// What a block's task says.
pub(crate) fn flown(done: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    done.map_err(|e| Error::Broken(format!("sending a block: {e}")))?
}
