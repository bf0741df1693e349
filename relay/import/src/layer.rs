//! One pass over a layer: store the blob, digest it, decode it, digest the plain stream, unpack it.
//!
//! ```text
//! source ─▶ layer-read: digest, sink ─▶ layer-decode ─┬▶ layer-hash: diff ID
//!                                                     └▶ caller's thread: untar ─▶ staging folder
//! ```
//!
//! Queues between the threads are bounded, so a slow disk slows the transfer instead of filling the memory.
//! [`LAYER_BYTES`] and the decoder's window are all that a layer holds.

mod chunks;
mod decode;

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use sha2::{Digest as _, Sha256};

use crate::budget::MemoryBudget;
use crate::error::Error;
use crate::rules::Rules;
use crate::staging::Staging;
use crate::untar::{UntarOptions, Untarred, untar};
use chunks::{Chunk, ChunkReader, Pool, read_full};
pub use decode::Encoding;

/// Bytes of a piece of the compressed stream, and of the plain one.
const BLOB_CHUNK: usize = 128 << 10;
const PLAIN_CHUNK: usize = 256 << 10;
/// Pieces that wait for a thread.
const QUEUED: usize = 8;

/// Memory of a layer beside its decoder's window, in bytes.
///
/// 1.5 MiB of compressed pieces, 5 MiB of plain ones, 8 MiB of recorded paths, 5 MiB of extended headers.
pub const LAYER_BYTES: usize = 20 << 20;

/// Layer as its image states it.
#[derive(Clone, Debug)]
pub struct LayerSpec {
    /// Encoding of the blob.
    pub encoding: Encoding,
    /// Digest of the blob, `sha256:…`.
    pub digest: String,
    /// Bytes of the blob.
    pub blob_bytes: u64,
    /// Digest of the plain tar stream, as the image's configuration states it.
    pub diff_id: String,
    /// Largest size of the plain tar stream.
    pub plain_bytes: u64,
    /// Whether no layer is below this one.
    pub is_lowest: bool,
}

/// Limits of an import.
#[derive(Clone, Debug)]
pub struct ImportLimits {
    /// Memory that the layers share.
    pub memory: MemoryBudget,
    /// Bytes of the file system that stay free.
    pub reserve_bytes: u64,
    /// Rules of the engine. Only tests change them.
    pub rules: Rules,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { memory: MemoryBudget::default(), reserve_bytes: 512 << 20, rules: Rules::default() }
    }
}

/// Layer in its staging folder, with both digests verified.
#[derive(Clone, Debug)]
pub struct StagedLayer {
    /// Bytes of the plain tar stream.
    pub plain_bytes: u64,
    /// What was unpacked.
    pub untarred: Untarred,
}

/// Receiver of the blob's bytes while they arrive, for example an ingest of the content store.
///
/// The blob's digest is verified after its last byte: the caller commits it when [`stage_layer`] has returned.
pub trait BlobSink: Send {
    /// Whether the commit of the blob verifies its digest, so that a second hash would only take a core from unpacking.
    fn is_verified_at_commit(&self) -> bool {
        false
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// An error ends the layer.
    fn accept(&mut self, bytes: &[u8]) -> std::io::Result<()>;
}

/// Sink that stores nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBlob;

impl BlobSink for NoBlob {
    fn accept(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// Unpacks a layer into its staging folder while its bytes arrive.
///
/// Ends early on an error, but not before a pending read of `source` returns: to cancel, make the source fail.
///
/// # Errors
///
/// The first error in the direction of the stream. The staging folder then holds a part of the layer: drop it.
pub fn stage_layer(
    spec: &LayerSpec,
    source: impl Read + Send,
    sink: &mut dyn BlobSink,
    staging: &Staging,
    limits: &ImportLimits,
) -> Result<StagedLayer, Error> {
    let _memory = limits.memory.reserve(LAYER_BYTES)?;
    let (blob_sender, blob) = sync_channel(QUEUED);
    let (hash_sender, to_hash) = sync_channel(QUEUED);
    let (tar_sender, to_untar) = sync_channel(QUEUED);
    let options = UntarOptions {
        is_lowest: spec.is_lowest,
        max_bytes: spec.plain_bytes,
        // The plain size is a bound here, and it may be as large as the free space.
        start_bytes: spec.blob_bytes,
        reserve_bytes: limits.reserve_bytes,
        rules: limits.rules,
    };
    thread::scope(|scope| {
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        let failed = |source| Error::System { what: "starting a thread for", path: staging.path(), source };
        let read = spawn("layer-read")
            .spawn_scoped(scope, move || read_blob(spec, source, sink, &blob_sender))
            .map_err(failed)?;
        let decode = spawn("layer-decode")
            .spawn_scoped(scope, || decode(spec, blob, &limits.memory, &[hash_sender, tar_sender]))
            .map_err(failed)?;
        let hash = spawn("layer-hash").spawn_scoped(scope, || hash_plain(to_hash)).map_err(failed)?;
        let untarred = untar(ChunkReader::new(to_untar), staging, options);
        // A thread whose neighbour ended first knows no reason, the neighbour does.
        for result in [join(read), join(decode)] {
            if let Err(error) = result
                && !matches!(error, Error::Stopped)
            {
                return Err(error);
            }
        }
        let untarred = untarred?;
        let (diff_id, plain_bytes) = hash.join().map_err(|_| Error::Stopped)?;
        check_digest("the layer's plain stream", &spec.diff_id, diff_id)?;
        Ok(StagedLayer { plain_bytes, untarred })
    })
}

fn join(thread: ScopedJoinHandle<'_, Result<(), Error>>) -> Result<(), Error> {
    thread.join().unwrap_or(Err(Error::Stopped))
}

/// Reads, stores and digests the blob.
fn read_blob(
    spec: &LayerSpec,
    mut source: impl Read,
    sink: &mut dyn BlobSink,
    decoder: &SyncSender<Arc<Chunk>>,
) -> Result<(), Error> {
    let pool = Pool::new(BLOB_CHUNK);
    let mut digest = (!sink.is_verified_at_commit()).then(Sha256::new);
    let mut at = 0;
    loop {
        let mut chunk = pool.take();
        let bytes = read_full(&mut source, &mut chunk).map_err(|source| Error::Source { at, source })?;
        if bytes == 0 {
            break;
        }
        let chunk = Arc::new(chunk);
        let start = at;
        at += bytes as u64;
        if at > spec.blob_bytes {
            return Err(Error::Size { what: "the layer's blob", stated: spec.blob_bytes, got: at });
        }
        decoder.send(Arc::clone(&chunk)).map_err(|_| Error::Stopped)?;
        if let Some(digest) = &mut digest {
            digest.update(&chunk[..]);
        }
        sink.accept(&chunk).map_err(|source| Error::Sink { at: start, source })?;
    }
    if at < spec.blob_bytes {
        return Err(Error::Size { what: "the layer's blob", stated: spec.blob_bytes, got: at });
    }
    digest.map_or(Ok(()), |digest| check_digest("the layer's blob", &spec.digest, hex(digest)))
}

/// Decodes the blob for the threads behind.
fn decode(
    spec: &LayerSpec,
    blob: Receiver<Arc<Chunk>>,
    memory: &MemoryBudget,
    receivers: &[SyncSender<Arc<Chunk>>],
) -> Result<(), Error> {
    let pool = Pool::new(PLAIN_CHUNK);
    let mut decoder = decode::Decoder::new(spec.encoding, ChunkReader::new(blob), memory)?;
    let mut plain_bytes = 0;
    loop {
        let mut chunk = pool.take();
        let bytes = read_full(&mut decoder, &mut chunk).map_err(|e| spec.encoding.error(&e))?;
        if bytes == 0 {
            return Ok(());
        }
        plain_bytes += bytes as u64;
        if plain_bytes > spec.plain_bytes {
            return Err(Error::Size { what: "the layer's plain stream", stated: spec.plain_bytes, got: plain_bytes });
        }
        let chunk = Arc::new(chunk);
        for receiver in receivers {
            receiver.send(Arc::clone(&chunk)).map_err(|_| Error::Stopped)?;
        }
    }
}

fn hash_plain(pieces: Receiver<Arc<Chunk>>) -> (String, u64) {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for piece in pieces {
        digest.update(&piece[..]);
        bytes += piece.len() as u64;
    }
    (hex(digest), bytes)
}

fn hex(digest: Sha256) -> String {
    format!("sha256:{}", hex::encode(digest.finalize()))
}

fn check_digest(what: &'static str, expected: &str, got: String) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::Digest { what, expected: expected.to_owned(), got }) }
}
