//! Requests of a pulling engine, and the stream of a blob's bytes.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use handoff_storage::{InOrder, RemoteBlob};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Error;
use crate::answers::{manifest_answer, referrers, tags};
use crate::digest::Digest;
use crate::index::BlobLocation;
use crate::parts::Parts;
use crate::receiver_state::ReceiverState;
use crate::scheduler::LayerTurn;
use crate::timeouts::ENGINE_STALL_TIMEOUT;
use crate::wire::{Answer, Handler, Reply, Route, route};

/// Pieces buffered between a blob's task and its connection. Few, because each piece keeps its whole range in memory.
const BUFFERED_PIECES: usize = 2;
/// Bytes of a piece that is hashed and delivered.
const PIECE_BYTES: usize = 256 << 10;
/// Ranges that a blob may request beyond the free request slots, so that no slot is idle.
const SPARE_RANGES: usize = 4;

/// Handler of a pulling engine's requests.
pub(crate) struct PullHandler(pub(crate) Arc<ReceiverState>);

impl Handler for PullHandler {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let Some((name, what)) = route(request.uri().path()) else {
            return Answer::refused(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "the path is none of the registry API");
        };
        let index = &self.0.index;
        match (request.method(), what) {
            (_, Route::Base) => Answer::bytes(StatusCode::OK, "application/json", "{}"),
            (&Method::HEAD | &Method::GET, Route::Blob(digest)) => self.blob(&digest, &request),
            (&Method::HEAD | &Method::GET, Route::Manifest(reference)) => {
                let digest = index.tags.get(&reference).cloned().or_else(|| reference.parse().ok());
                let found = digest.and_then(|d| index.manifests.get(&d).cloned().map(|m| (d, m)));
                manifest_answer(&reference, found)
            }
            (&Method::GET, Route::Tags) => tags(&name, request.uri(), index.tags.keys().cloned().collect()),
            (&Method::GET, Route::Referrers(digest)) => referrers(&digest, &index.manifests),
            _ => Answer::refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "a relay receiver only serves pulls: push to the sender's registry",
            ),
        }
    }
}

/// Parses `bytes=5-` or `bytes=5-9`, the ranges that engines request, for a blob of `size` bytes.
fn parse_range(header: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.checked_add(1)?.min(size) };
    (first < end).then_some(first..end)
}

impl PullHandler {
    fn blob(&self, digest: &str, request: &Request<Incoming>) -> Answer {
        let unknown =
            || Answer::refused(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "the image that was sent has no such blob");
        let Ok(digest) = digest.parse::<Digest>() else { return unknown() };
        let Some(location) = self.0.index.blobs.get(&digest).cloned() else { return unknown() };
        let size = location.size;
        let header = request.headers().get("range").and_then(|v| v.to_str().ok());
        let range = match header {
            None => Some(0..size),
            Some(header) => parse_range(header, size),
        };
        let Some(range) = range else {
            let why = format!("the blob has {size} bytes");
            return Answer::refused(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", why)
                .header("content-range", format!("bytes */{size}"));
        };
        let status = if header.is_none() { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        let content_range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
        let reply = self.reply(request.method(), &digest, &location, range);
        let answer = Answer::with(status, reply)
            .header("content-type", "application/octet-stream")
            .header("accept-ranges", "bytes")
            .digest(&digest);
        if status == StatusCode::PARTIAL_CONTENT { answer.header("content-range", content_range) } else { answer }
    }

    fn reply(&self, method: &Method, digest: &Digest, location: &BlobLocation, range: Range<u64>) -> Reply {
        let size = range.end - range.start;
        if method == Method::HEAD {
            return Reply::Pieces { size, pieces: mpsc::channel(BUFFERED_PIECES).1 };
        }
        match deliver_range(&self.0, digest, location, range, Caller::Engine) {
            Delivery::Whole(bytes) => Reply::Whole(Some(bytes)),
            Delivery::Pieces(pieces) => Reply::Pieces { size, pieces },
        }
    }
}

/// Who asks for a blob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Engine. It requests layers in any order, so that a blob begins to fetch when every lower layer has been requested.
    Engine,
    /// This process. A blob begins to fetch in the order of the calls.
    Process,
    /// This process, which verifies the digest itself: a second hash would take a core from unpacking.
    VerifyingProcess,
}

/// Bytes of a blob.
enum Delivery {
    /// All bytes, which are in memory already.
    Whole(Bytes),
    /// Pieces in order.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

/// Begins to deliver a blob to a caller in this process.
pub(crate) fn deliver_blob(
    shared: &Arc<ReceiverState>,
    digest: &Digest,
    caller: Caller,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let one = |item| {
        let (sender, pieces) = mpsc::channel(1);
        // There is room for one.
        let _ = sender.try_send(item);
        pieces
    };
    let Some(location) = shared.index.blobs.get(digest) else {
        return one(Err(io::Error::other(format!("the image that was sent has no blob {digest}: send it again"))));
    };
    match deliver_range(shared, digest, location, 0..location.size, caller) {
        Delivery::Whole(bytes) => one(Ok(bytes)),
        Delivery::Pieces(pieces) => pieces,
    }
}

/// Begins to deliver a range of a blob.
fn deliver_range(
    shared: &Arc<ReceiverState>,
    digest: &Digest,
    location: &BlobLocation,
    range: Range<u64>,
    caller: Caller,
) -> Delivery {
    let (sender, pieces) = mpsc::channel(BUFFERED_PIECES);
    let shared = Arc::clone(shared);
    let position = shared.position_of(digest);
    shared.note_request(position);
    // The last bytes of the stored image were read with its table: a blob among them needs no request.
    let stored = location.offset + range.start..location.offset + range.end;
    if location.frames.is_none()
        && let Some(bytes) = shared.in_tail(location, &stored)
    {
        let size = range.end - range.start;
        if size == location.size
            && let Err(error) = digest.check(&Digest::of(&bytes))
        {
            shared.fail(&error);
            let _ = sender.try_send(Err(io::Error::other(error.to_string())));
            return Delivery::Pieces(pieces);
        }
        shared.count_sent(size);
        return Delivery::Whole(bytes);
    }
    let (digest, location) = (digest.clone(), location.clone());
    let mut turn = shared.scheduler.enter(position);
    tokio::spawn(async move {
        if caller == Caller::Engine {
            turn.wait_for_lower_layers().await;
        }
        let result = match shared.reader(&digest, &location) {
            Ok(reader) => {
                let blob = StoredBlob { digest, location, reader };
                stream(&shared, Arc::new(blob), range, turn, caller, &sender).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            shared.fail(&error);
            // The connection breaks: the engine sees a truncated blob, never a wrong one.
            let _ = sender.send(Err(io::Error::other(error.to_string()))).await;
        }
    });
    Delivery::Pieces(pieces)
}

/// Blob in the store.
struct StoredBlob {
    digest: Digest,
    location: BlobLocation,
    reader: Arc<RemoteBlob>,
}

/// Fetches the parts of a blob's range in its turn, several at once, and delivers their bytes in order.
///
/// The last piece of a whole blob is held back until its digest is verified, unless the caller verifies it.
async fn stream(
    shared: &Arc<ReceiverState>,
    blob: Arc<StoredBlob>,
    range: Range<u64>,
    mut turn: LayerTurn,
    caller: Caller,
    out: &mpsc::Sender<Result<Bytes, io::Error>>,
) -> Result<(), Error> {
    let is_verified = caller != Caller::VerifyingProcess && range == (0..blob.location.size);
    let all = Parts::new(&blob.location, range, shared.part_bytes);
    let parts = all.count();
    let mut order = InOrder::new(shared.max_ranges);
    let mut fetches = JoinSet::new();
    let mut started = 0;
    let mut hash = Sha256::new();
    let mut held: Option<Bytes> = None;
    while order.taken() < parts {
        let more = |started| started < parts && order.has_room_for(started);
        while more(started) && fetches.len() < shared.concurrency.count() + SPARE_RANGES && turn.may_fetch() {
            // Other blobs may hold all permits. The range that the engine waits for needs none, so that no blob waits forever.
            let room = Arc::clone(&shared.room).try_acquire_owned().ok();
            if room.is_none() && started != order.taken() {
                break;
            }
            let part = all.get(started).ok_or_else(|| Error::Table("a blob lacks frames".to_owned()))?;
            let (shared, blob, number) = (Arc::clone(shared), Arc::clone(&blob), started);
            fetches.spawn(async move {
                let bytes = shared.fetch(&blob.digest, &blob.location, &blob.reader, part).await?;
                Ok::<_, Error>((number, bytes, room))
            });
            started += 1;
        }
        turn.set_wants_more(more(started));
        let done = tokio::select! {
            Some(done) = fetches.join_next() => done,
            () = turn.changed(), if started < parts => continue,
            else => break,
        };
        let (number, bytes, room) = done.map_err(|e| Error::Broken(e.to_string()))??;
        order.put(number, (bytes, room)).map_err(|e| Error::Broken(e.to_string()))?;
        while let Some((mut bytes, room)) = order.pop() {
            while !bytes.is_empty() {
                let piece = bytes.split_to(PIECE_BYTES.min(bytes.len()));
                if is_verified {
                    hash.update(&piece);
                }
                shared.count_sent(piece.len() as u64);
                if let Some(ready) = held.replace(piece)
                    && !deliver(out, ready, &turn).await
                {
                    // The engine disconnected; it requests the blob again if it still needs it.
                    return Ok(());
                }
            }
            drop(room);
        }
    }
    if is_verified {
        blob.digest.check(&Digest::finish(hash))?;
    }
    if let Some(last) = held {
        let _ = out.send(Ok(last)).await;
    }
    Ok(())
}

/// Delivers a piece; false when the engine has disconnected. Other blobs may fetch while the engine is stalled.
async fn deliver(out: &mpsc::Sender<Result<Bytes, io::Error>>, piece: Bytes, turn: &LayerTurn) -> bool {
    let permit = if let Ok(permit) = tokio::time::timeout(ENGINE_STALL_TIMEOUT, out.reserve()).await {
        permit
    } else {
        turn.set_wants_more(false);
        out.reserve().await
    };
    let Ok(permit) = permit else { return false };
    permit.send(Ok(piece));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_within_the_blob_are_parsed() {
        assert_eq!(parse_range("bytes=5-", 10), Some(5..10));
        assert_eq!(parse_range("bytes=0-3", 10), Some(0..4));
        assert_eq!(parse_range("bytes=0-99", 10), Some(0..10));
        for bad in ["bytes=10-", "bytes=3-2", "bytes=-5", "items=0-1", "bytes=0-18446744073709551615x"] {
            assert_eq!(parse_range(bad, 10), None, "{bad}");
        }
    }
}
