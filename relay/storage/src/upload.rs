//! A stream of unknown length becomes an artifact: cut into blocks, sent in parallel, hashed on the way, and made
//! visible only when whoever made the stream says that it is whole.

use std::io::Read;

use bytes::Bytes;
use handoff_model::SpanKind;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::artifacts::{ArtifactClient, ArtifactTarget};
use crate::blob::{BlobWriter, MAX_BLOCKS};
use crate::buffers::BufferPool;
use crate::clock::monotonic_ns;
use crate::digest::{Digester, spawn};
use crate::error::Error;
use crate::spans::TransferSpan;

/// How a stream is cut and sent. Memory: `in_flight + 2` blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPlan {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Blocks sent at once.
    pub in_flight: usize,
}

impl Default for UploadPlan {
    /// The connection plan of the streaming client that the spike names: 8 MiB blocks, 24 in flight.
    fn default() -> Self {
        Self { block_bytes: 8 << 20, in_flight: 24 }
    }
}

/// What an upload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOutcome {
    /// Bytes of the stream.
    pub bytes: u64,
    /// Blocks it was cut into.
    pub blocks: u32,
    /// Its digest in hex.
    pub sha256: String,
    /// The service's number for the artifact.
    pub artifact_id: u64,
    /// Operations that had to be repeated.
    pub retries: u64,
    /// When what happened: resolve (create, finalize) and upload (first block begun to block list accepted).
    pub spans: Vec<TransferSpan>,
}

/// What the reading side says: a block, the stream's good end, or why there is none.
type Piece = Result<Option<Bytes>, Error>;

/// Lets the reading thread end when the upload is over, however it ended.
struct CloseOnDrop(BufferPool);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ArtifactClient {
    /// Uploads what `reader` gives, on a thread of its own, as an artifact.
    ///
    /// `finish` is called once at the end of the stream and says whether its producer ended well (an exit status, a
    /// gate); it may block. Unless it does, nothing is committed or finalized: a stream cut short never becomes an
    /// artifact that someone could load. The same holds for a reader's error and for an empty stream.
    ///
    /// When this fails before the stream's end, the reading thread ends with its current read.
    ///
    /// # Errors
    /// [`Error::Reader`], [`Error::ProducerFailed`], [`Error::EmptyStream`], [`Error::TooManyBlocks`], and whatever
    /// the services answer after all retries.
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
        // Depth 1: a block in this channel is one that nobody sends yet.
        let (said, mut pieces) = mpsc::channel::<Piece>(1);
        let (buffers, hash) = (pool.0.clone(), digester.input());
        spawn("stream-reader", move || read_blocks(reader, &buffers, &said, hash, finish))?;

        let mut spans = Vec::with_capacity(3);
        let start = monotonic_ns();
        let url = self.create(target).await?;
        spans.push(TransferSpan::ended(SpanKind::Resolve, "CreateArtifact", start, None));

        let writer = self.writer(url);
        let sent = send_blocks(&writer, plan, &mut pieces).await?;
        let sha256 = digester.finish().await?;
        writer.commit_list(0..sent.blocks, &target.mime).await?;
        let detail = format!("{} blocks", sent.blocks);
        spans.push(TransferSpan::ended(SpanKind::Upload, detail, sent.start_ns, Some(sent.bytes)));

        let start = monotonic_ns();
        let artifact_id = self.finalize(&target.name, sent.bytes, &sha256).await?;
        spans.push(TransferSpan::ended(SpanKind::Resolve, "FinalizeArtifact", start, None));
        let retries = self.counters().retries() - retries_before;
        Ok(UploadOutcome { bytes: sent.bytes, blocks: sent.blocks, sha256, artifact_id, retries, spans })
    }
}

/// Sends blocks as they come; done when the stream has ended well and all of them have been taken. Leaving early
/// drops the tasks, which ends them.
async fn send_blocks(
    writer: &BlobWriter,
    plan: &UploadPlan,
    pieces: &mut mpsc::Receiver<Piece>,
) -> Result<Sent, Error> {
    let mut sent = Sent { start_ns: monotonic_ns(), bytes: 0, blocks: 0 };
    let mut flying = JoinSet::new();
    let mut open = true;
    loop {
        tokio::select! {
            Some(done) = flying.join_next(), if !flying.is_empty() => {
                done.map_err(|e| Error::System { what: "sending a block", source: std::io::Error::other(e) })??;
            }
            piece = pieces.recv(), if open && flying.len() < plan.in_flight => match piece {
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
                    flying.spawn(async move { writer.put(index, bytes).await });
                }
                Some(Ok(None)) => open = false,
                Some(Err(failure)) => return Err(failure),
                // A thread that vanished without a word said nothing about the stream's end.
                None => return Err(Error::ProducerFailed("the reading thread ended before the stream".to_owned())),
            },
            else => break,
        }
    }
    if sent.blocks == 0 { Err(Error::EmptyStream) } else { Ok(sent) }
}

struct Sent {
    start_ns: u64,
    bytes: u64,
    blocks: u32,
}

fn check(plan: &UploadPlan) -> Result<(), Error> {
    if !(1..=4000 << 20).contains(&plan.block_bytes) {
        return Err(Error::BadPlan { what: "the size of a block", expected: "from 1 byte to 4000 MiB" });
    }
    match plan.in_flight {
        1..=1024 => Ok(()),
        _ => Err(Error::BadPlan { what: "the number of blocks in flight", expected: "from 1 to 1024" }),
    }
}

/// The reading thread. It ends when the stream does, or when nobody takes its blocks any more.
fn read_blocks(
    mut reader: impl Read,
    pool: &BufferPool,
    said: &mpsc::Sender<Piece>,
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
                // Nobody listens when the upload has failed meanwhile.
                let _ = said.blocking_send(end);
                return;
            }
            Ok(read) => {
                at += read as u64;
                block.freeze()
            }
            Err(source) => {
                let _ = said.blocking_send(Err(Error::Reader { at, source }));
                return;
            }
        };
        if hash.blocking_send(piece.clone()).is_err() || said.blocking_send(Ok(Some(piece))).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_cannot_work_are_refused() {
        for (block_bytes, in_flight) in [(0, 1), (5000 << 20, 1), (1, 0), (1, 2000)] {
            assert!(check(&UploadPlan { block_bytes, in_flight }).is_err());
        }
        check(&UploadPlan::default()).unwrap();
    }

    #[test]
    fn a_panicking_reader_is_never_a_good_end() {
        struct Bomb;
        impl Read for Bomb {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("reader")
            }
        }
        let pool = BufferPool::new(1, 4);
        let (said, mut pieces) = mpsc::channel(1);
        let (hash, _digest) = mpsc::channel(1);
        let thread = std::thread::spawn(move || read_blocks(Bomb, &pool, &said, hash, || Ok(())));
        assert!(thread.join().is_err());
        assert!(pieces.blocking_recv().is_none());
    }
}
