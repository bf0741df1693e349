//! Upload of a stream of unknown length: split into blocks, sent in parallel, hashed, and visible only once it is complete.

use std::io::Read;

use bytes::Bytes;
use handoff_model::SpanKind;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::artifacts::{ArtifactClient, ArtifactUpload};
use crate::blob::{BlobWriter, MAX_BLOCKS};
use crate::buffers::BufferPool;
use crate::clock::monotonic_ns;
use crate::digest::{Digester, spawn};
use crate::error::Error;
use crate::spans::TransferSpan;
use crate::target::ArtifactTarget;

/// Block size and concurrency of an upload. Memory: `in_flight + 2` blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPlan {
    /// Size of a block in bytes.
    pub block_bytes: usize,
    /// Blocks in flight.
    pub in_flight: usize,
}

impl Default for UploadPlan {
    /// 8 MiB blocks, 24 in flight: the plan of the streaming client in `docs/spike.md`.
    fn default() -> Self {
        Self { block_bytes: 8 << 20, in_flight: 24 }
    }
}

/// Result of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOutcome {
    /// Bytes of the stream.
    pub bytes: u64,
    /// Number of blocks.
    pub blocks: u32,
    /// SHA-256 digest in hex.
    pub sha256: String,
    /// Number of the artifact.
    pub artifact_id: u64,
    /// Retries of operations.
    pub retries: u64,
    /// Spans: resolve (create, finalize) and upload (first block started to block list accepted).
    pub spans: Vec<TransferSpan>,
}

/// Message of the reading thread: a block, the complete end of the stream, or its failure.
type Piece = Result<Option<Bytes>, Error>;

/// Closes the pool when the upload ends, so that the reading thread ends too.
struct CloseOnDrop(BufferPool);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ArtifactClient {
    /// Uploads the bytes of `reader` as an artifact. A separate thread reads.
    ///
    /// `finish` is called once at the end of the stream, and may block. It reports whether the stream's producer succeeded, for
    /// example by its exit status. Nothing is committed if it fails, if the reader fails, or if the stream is empty: a truncated
    /// stream never becomes an artifact.
    ///
    /// If the upload fails before the end of the stream, the reading thread ends after its current read.
    ///
    /// # Errors
    /// [`Error::Reader`], [`Error::ProducerFailed`], [`Error::EmptyStream`], [`Error::TooManyBlocks`], and errors of the
    /// services after all retries.
    pub async fn upload_stream<R, F>(
        &self,
        reader: R,
        target: &ArtifactTarget,
        plan: &UploadPlan,
        finish: F,
    ) -> Result<UploadOutcome, Error>
    where
        R: Read + Send + 'static,
        F: FnOnce() -> Result<(), String> + Send + 'static,
    {
        check(plan)?;
        let retries_before = self.counters().retries();
        let pool = CloseOnDrop(BufferPool::new(plan.in_flight + 2, plan.block_bytes));
        let digester = Digester::start(plan.in_flight + 2)?;
        // Depth 1: a block in this channel is not being sent yet.
        let (pieces_sender, mut pieces) = mpsc::channel::<Piece>(1);
        let (buffers, hash) = (pool.0.clone(), digester.input());
        spawn("stream-reader", move || read_blocks(reader, &buffers, &pieces_sender, hash, finish))?;

        let mut spans = Vec::with_capacity(3);
        let start = monotonic_ns();
        let upload = self.create(target).await?;
        spans.push(TransferSpan::ended(SpanKind::Resolve, "CreateArtifact", start, None));

        let sent = send_all(&upload, target, plan, &mut pieces, digester, &mut spans).await;
        if sent.is_err() {
            // Its name would stay taken for the whole run.
            upload.abandon().await;
        }
        let (sent, sha256, artifact_id) = sent?;
        let retries = self.counters().retries() - retries_before;
        Ok(UploadOutcome { bytes: sent.bytes, blocks: sent.blocks, sha256, artifact_id, retries, spans })
    }
}

/// Sends the stream, commits it and makes it visible.
async fn send_all(
    upload: &ArtifactUpload,
    target: &ArtifactTarget,
    plan: &UploadPlan,
    pieces: &mut mpsc::Receiver<Piece>,
    digester: Digester,
    spans: &mut Vec<TransferSpan>,
) -> Result<(SentBlocks, String, u64), Error> {
    let writer = upload.writer();
    let sent = send_blocks(writer, plan, pieces).await?;
    let sha256 = digester.finish().await?;
    writer.commit(0..sent.blocks, &target.mime).await?;
    let detail = format!("{} blocks", sent.blocks);
    spans.push(TransferSpan::ended(SpanKind::Upload, detail, sent.start_ns, Some(sent.bytes)));

    let start = monotonic_ns();
    let artifact_id = upload.finalize(sent.bytes, Some(&sha256)).await?;
    spans.push(TransferSpan::ended(SpanKind::Resolve, "FinalizeArtifact", start, None));
    Ok((sent, sha256, artifact_id))
}

/// Sends blocks until the stream has ended and the store has accepted all. An early return drops the tasks, which ends them.
async fn send_blocks(
    writer: &BlobWriter,
    plan: &UploadPlan,
    pieces: &mut mpsc::Receiver<Piece>,
) -> Result<SentBlocks, Error> {
    let mut sent = SentBlocks { start_ns: monotonic_ns(), bytes: 0, blocks: 0 };
    let mut uploads = JoinSet::new();
    let mut open = true;
    loop {
        tokio::select! {
            Some(done) = uploads.join_next(), if !uploads.is_empty() => {
                done.map_err(|e| Error::System { what: "sending a block", source: std::io::Error::other(e) })??;
            }
            piece = pieces.recv(), if open && uploads.len() < plan.in_flight => match piece {
                Some(Ok(Some(bytes))) => {
                    if sent.blocks == MAX_BLOCKS {
                        return Err(Error::TooManyBlocks { limit: MAX_BLOCKS, block_bytes: plan.block_bytes });
                    }
                    if sent.blocks == 0 {
                        sent.start_ns = monotonic_ns();
                    }
                    let (writer, index) = (writer.clone(), sent.blocks);
                    sent.blocks += 1;
                    sent.bytes += bytes.len() as u64;
                    uploads.spawn(async move { writer.put(index, bytes).await });
                }
                Some(Ok(None)) => open = false,
                Some(Err(failure)) => return Err(failure),
                // The thread panicked: whether the stream was complete is unknown.
                None => return Err(Error::ProducerFailed("the reading thread ended before the stream".to_owned())),
            },
            else => break,
        }
    }
    if sent.blocks == 0 { Err(Error::EmptyStream) } else { Ok(sent) }
}

struct SentBlocks {
    start_ns: u64,
    bytes: u64,
    blocks: u32,
}

fn check(plan: &UploadPlan) -> Result<(), Error> {
    let block = (1..=4000 << 20).contains(&plan.block_bytes);
    Error::check_range(block, "the size of a block", "from 1 byte to 4000 MiB")?;
    Error::check_range((1..=1024).contains(&plan.in_flight), "the number of blocks in flight", "from 1 to 1024")
}

/// Reading thread. It ends with the stream, or when the upload takes no more blocks.
fn read_blocks(
    mut reader: impl Read,
    pool: &BufferPool,
    pieces_sender: &mpsc::Sender<Piece>,
    hash: mpsc::Sender<Bytes>,
    finish: impl FnOnce() -> Result<(), String>,
) {
    let mut at = 0;
    while let Some(mut block) = pool.take() {
        let piece = match block.fill(&mut reader) {
            Ok(0) => {
                // The digest waits for this sender.
                drop((block, hash));
                let end = finish().map(|()| None).map_err(Error::ProducerFailed);
                // The receiver is gone when the upload has failed meanwhile.
                let _ = pieces_sender.blocking_send(end);
                return;
            }
            Ok(read) => {
                at += read as u64;
                block.freeze()
            }
            Err(source) => {
                let _ = pieces_sender.blocking_send(Err(Error::Reader { at, source }));
                return;
            }
        };
        if hash.blocking_send(piece.clone()).is_err() || pieces_sender.blocking_send(Ok(Some(piece))).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_plan_outside_the_limits_is_refused() {
        for (block_bytes, in_flight) in [(0, 1), (5000 << 20, 1), (1, 0), (1, 2000)] {
            assert!(check(&UploadPlan { block_bytes, in_flight }).is_err());
        }
        check(&UploadPlan::default()).unwrap();
    }

    #[test]
    fn panicking_reader_is_not_the_end_of_the_stream() {
        struct Bomb;
        impl Read for Bomb {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("reader")
            }
        }
        let pool = BufferPool::new(1, 4);
        let (pieces_sender, mut pieces) = mpsc::channel(1);
        let (hash, _digest) = mpsc::channel(1);
        let thread = std::thread::spawn(move || read_blocks(Bomb, &pool, &pieces_sender, hash, || Ok(())));
        assert!(thread.join().is_err());
        assert!(pieces.blocking_recv().is_none());
    }
}
