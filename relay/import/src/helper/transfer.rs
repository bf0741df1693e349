//! Import of one image through the helper: layers from a transfer into the pipe.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use handoff_containerd::Digest;
use handoff_model::SpanKind;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::client::{Helper, unexpected};
use super::protocol::{Event, MAX_PIECE, Request, piece_header};
use crate::failure::ImportError;
use crate::input::WINDOW;
use crate::pipeline::AT_ONCE;
use crate::span::{ImportSpan, monotonic_ns};
use crate::spec::ImageSpec;

/// Layers whose bytes are sent at once: one more than are unpacked, so that the next begins at once.
const SENT_AT_ONCE: usize = AT_ONCE + 1;
/// Layers that are requested. Those that wait hold at most two ranges each, and small layers take few round trips.
const REQUESTED: usize = 8;
/// Pieces between the layers and the pipe.
const QUEUED: usize = 2;

/// Bytes of a blob in order. An error ends the transfer. The end comes after the last byte.
pub type BlobStream = mpsc::Receiver<io::Result<Bytes>>;

/// Image that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Bytes of the fetched layers.
    pub bytes: u64,
    /// Number of the fetched layers.
    pub layers: usize,
    /// Spans: `download`, `unpack` and `load`.
    pub spans: Vec<ImportSpan>,
}

/// Imports an image through the helper. `fetch` begins to fetch a layer by its digest; it is called lowest layer first.
///
/// After an error the helper imports nothing more: drop it.
///
/// # Errors
/// [`ImportError::kind`] tells whether to leave the image to the engine, the transfer failed, or the engine's store did.
pub async fn import_image(
    helper: &mut Helper,
    image: ImageSpec,
    mut fetch: impl FnMut(&Digest) -> BlobStream,
) -> Result<Imported, ImportError> {
    // The same reading as the helper's: numbers of layers mean the same on both sides.
    let layers = crate::spec::Image::read(image.clone())?.layers;
    helper.request(&Request::Import(image)).await?;
    let needed = match helper.event().await? {
        Event::Needed(needed) => needed,
        Event::Failed(error) => return Err(error),
        other => return Err(unexpected(&other)),
    };
    if needed.iter().any(|&layer| layer >= layers.len()) {
        return Err(unexpected(&Event::Needed(needed)));
    }
    let gone = || ImportError::store("the import's helper has failed before");
    let input = helper.input.take().ok_or_else(gone)?;
    let (pieces, queue) = mpsc::channel(QUEUED);
    let mut pipe = tokio::spawn(write_pieces(input, queue));
    let mut sending = Sending {
        waiting: needed.iter().copied().collect(),
        requested: VecDeque::new(),
        credits: HashMap::new(),
        tasks: JoinSet::new(),
        moved: Arc::new(Moved::default()),
    };
    let mut done = 0;
    let result = loop {
        let mut get = |layer: usize| fetch(&layers[layer].digest);
        sending.start(&layers, done, &pieces, &mut get);
        // `event` is polled to its end before anything else is done with the helper.
        let event = helper.event();
        tokio::pin!(event);
        let event = loop {
            tokio::select! {
                event = &mut event => break event,
                Some(sent) = sending.tasks.join_next() => match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => break Err(error),
                    Err(error) => break Err(ImportError::store(format!("a task ended: {error}; report this"))),
                },
            }
        };
        match event {
            Ok(Event::Taken { layer, bytes }) => sending.add_credit(layer, bytes),
            Ok(Event::Done(_)) => done += 1,
            Ok(Event::Imported { fetched, spans }) => break Ok((fetched, spans)),
            Ok(Event::Failed(error)) | Err(error) => break Err(error),
            Ok(other) => break Err(unexpected(&other)),
        }
    };
    let moved = Arc::clone(&sending.moved);
    drop((sending, pieces));
    match result {
        Ok((layers, spans)) => {
            helper.input = (&mut pipe).await.ok().flatten();
            let bytes = moved.bytes.load(Ordering::Relaxed);
            let spans = moved.span().into_iter().chain(spans).collect();
            Ok(Imported { bytes, layers, spans })
        }
        Err(error) => {
            // Ends the helper's input, whatever it waits for.
            pipe.abort();
            Err(error)
        }
    }
}

/// Layers on their way to the helper.
struct Sending {
    /// Layers that are not requested yet.
    waiting: VecDeque<usize>,
    /// Layers that are requested and not sent yet.
    requested: VecDeque<(usize, BlobStream)>,
    /// Bytes that the helper has room for, by layer.
    credits: HashMap<usize, Arc<Semaphore>>,
    tasks: JoinSet<Result<(), ImportError>>,
    moved: Arc<Moved>,
}

/// Bytes that came, and when.
#[derive(Debug, Default)]
struct Moved {
    bytes: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
}

impl Moved {
    fn add(&self, bytes: usize) {
        let now = monotonic_ns();
        let _ = self.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.last.fetch_max(now, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn span(&self) -> Option<ImportSpan> {
        let [first, last] = [&self.first, &self.last].map(|time| time.load(Ordering::Relaxed));
        let bytes = Some(self.bytes.load(Ordering::Relaxed));
        let detail = "import: layers".to_owned();
        (first > 0).then_some(ImportSpan { name: SpanKind::Download, detail, start_ns: first, end_ns: last, bytes })
    }
}

impl Sending {
    /// Requests and sends as many layers as may be on their way after `done` layers.
    fn start(
        &mut self,
        layers: &[crate::spec::Layer],
        done: usize,
        pieces: &mpsc::Sender<(usize, Bytes)>,
        fetch: &mut impl FnMut(usize) -> BlobStream,
    ) {
        while self.requested.len() + self.credits.len() < REQUESTED + done
            && let Some(layer) = self.waiting.pop_front()
        {
            let stream = fetch(layer);
            self.requested.push_back((layer, stream));
        }
        while self.credits.len() < SENT_AT_ONCE + done
            && let Some((layer, stream)) = self.requested.pop_front()
        {
            let credit = Arc::new(Semaphore::new(WINDOW as usize));
            self.credits.insert(layer, Arc::clone(&credit));
            let (size, moved, pieces) = (layers[layer].size, Arc::clone(&self.moved), pieces.clone());
            self.tasks.spawn(send_layer(layer, size, stream, credit, pieces, moved));
        }
    }

    fn add_credit(&self, layer: usize, bytes: u64) {
        if let Some(credit) = self.credits.get(&layer) {
            credit.add_permits(bytes.min(WINDOW) as usize);
        }
    }
}

async fn send_layer(
    layer: usize,
    size: u64,
    mut stream: BlobStream,
    credit: Arc<Semaphore>,
    pieces: mpsc::Sender<(usize, Bytes)>,
    moved: Arc<Moved>,
) -> Result<(), ImportError> {
    let mut left = size;
    let wrong = |why: &str| ImportError::transfer(format!("layer {layer} {why}; send the image again"));
    while let Some(piece) = stream.recv().await {
        let failed = |e: io::Error| ImportError::transfer(format!("fetching layer {layer} failed: {e}"));
        let mut piece = piece.map_err(failed)?;
        moved.add(piece.len());
        left = left.checked_sub(piece.len() as u64).ok_or_else(|| wrong("has too many bytes"))?;
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(MAX_PIECE));
            // The semaphore is never closed.
            if let Ok(permit) = credit.acquire_many(part.len() as u32).await {
                permit.forget();
            }
            if pieces.send((layer, part)).await.is_err() {
                // The helper has ended, and says why itself.
                return Ok(());
            }
        }
    }
    if left > 0 { Err(wrong("ends early")) } else { Ok(()) }
}

/// Writes frames until no layer is left. The pipe comes back for the next image, unless the helper has ended.
async fn write_pieces(mut input: ChildStdin, mut queue: mpsc::Receiver<(usize, Bytes)>) -> Option<ChildStdin> {
    while let Some((layer, piece)) = queue.recv().await {
        let header = piece_header(layer, piece.len());
        input.write_all(&header).await.ok()?;
        input.write_all(&piece).await.ok()?;
    }
    Some(input)
}
