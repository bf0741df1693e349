//! The receiving end's requests, and the stream that a blob becomes.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

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
use crate::receiver_state::ReceiverState;
use crate::scheduler::LayerTurn;
use crate::wire::{Answer, Handler, Reply, Route, route};

/// Pieces between a blob's task and its connection: few, because each holds on to its whole range.
const DEPTH: usize = 2;
/// Bytes of a piece that is hashed and handed on.
const PIECE: usize = 256 << 10;

/// An engine that takes nothing for so long is at work with something else: others may have the link meanwhile.
const STALLED: Duration = Duration::from_millis(20);
/// Ranges that a blob may have asked for beyond the lanes, so that no lane is ever without one.
const SPARE: usize = 4;

/// Answers a pull.
pub(crate) struct Pull(pub(crate) Arc<ReceiverState>);

impl Handler for Pull {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let Some((name, what)) = route(request.uri().path()) else {
            return Answer::refused(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such path");
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
            _ => {
                Answer::refused(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this end of a relay only gives images")
            }
        }
    }
}

/// `bytes=5-` or `bytes=5-9` of so many bytes; the ranges that engines ask for.
fn asked(header: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.checked_add(1)?.min(size) };
    (first < end).then_some(first..end)
}

impl Pull {
    fn blob(&self, digest: &str, request: &Request<Incoming>) -> Answer {
        let unknown = || Answer::refused(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "it was not sent");
        let Ok(digest) = digest.parse::<Digest>() else { return unknown() };
        let Some(place) = self.0.index.blobs.get(&digest).cloned() else { return unknown() };
        let size = place.size;
        let header = request.headers().get("range").and_then(|v| v.to_str().ok());
        let range = match header {
            None => Some(0..size),
            Some(header) => asked(header, size),
        };
        let Some(range) = range else {
            let why = format!("the blob has {size} bytes");
            return Answer::refused(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", why)
                .header("content-range", format!("bytes */{size}"));
        };
        let status = if header.is_none() { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        let content_range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
        let reply = self.reply(request.method(), &digest, &place, range);
        let answer = Answer::with(status, reply)
            .header("content-type", "application/octet-stream")
            .header("accept-ranges", "bytes")
            .digest(&digest);
        if status == StatusCode::PARTIAL_CONTENT { answer.header("content-range", content_range) } else { answer }
    }

    fn reply(&self, method: &Method, digest: &Digest, place: &BlobLocation, range: Range<u64>) -> Reply {
        let size = range.end - range.start;
        let (sender, pieces) = mpsc::channel(DEPTH);
        if method == Method::HEAD {
            return Reply::Pieces { size, pieces };
        }
        let shared = Arc::clone(&self.0);
        let place_in_line = shared.place_of(digest);
        shared.asked(place_in_line);
        let whole = size == place.size;
        // The table came with the last bytes of what holds it: what is among them is here already.
        let (tail_from, tail) = &shared.tail;
        if place.entry.is_none() && place.offset >= *tail_from {
            let at = (place.offset - tail_from + range.start) as usize;
            if let Some(bytes) = tail.get(at..at + size as usize) {
                if whole && let Err(error) = digest.check(&Digest::of(bytes)) {
                    shared.fail(&error);
                    return Reply::Pieces { size, pieces };
                }
                shared.count_sent(size);
                return Reply::Whole(Some(tail.slice(at..at + size as usize)));
            }
        }
        let (digest, place) = (digest.clone(), place.clone());
        let turn = shared.scheduler.enter(place_in_line);
        tokio::spawn(async move {
            let wanted = place.offset + range.start..place.offset + range.end;
            let check = whole.then_some(&digest);
            let result = match shared.reader(&digest, &place) {
                Ok(reader) => stream(&shared, reader, wanted, check, turn, &sender).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                shared.fail(&error);
                // The connection breaks off: the engine sees a blob cut short, never a wrong one.
                let _ = sender.send(Err(io::Error::other(error.to_string()))).await;
            }
        });
        Reply::Pieces { size, pieces }
    }
}

/// Fetches a blob's ranges in its turn, several at once, and hands their bytes on in order. The last piece is held back until
/// the digest of all of them is known to be right.
async fn stream(
    shared: &Arc<ReceiverState>,
    reader: Arc<RemoteBlob>,
    wanted: Range<u64>,
    check: Option<&Digest>,
    mut turn: LayerTurn,
    out: &mpsc::Sender<Result<Bytes, io::Error>>,
) -> Result<(), Error> {
    let part = shared.part_bytes;
    let parts = (wanted.end - wanted.start).div_ceil(part);
    let mut order = InOrder::new(shared.most_ranges);
    let mut flying = JoinSet::new();
    let mut begun = 0;
    let mut hash = Sha256::new();
    let mut held: Option<Bytes> = None;
    turn.wait_for_lower_layers().await;
    while order.given() < parts {
        let more = |begun| begun < parts && order.admits(begun);
        while more(begun) && flying.len() < shared.concurrency.count() + SPARE && turn.may_fetch() {
            // Other blobs may hold all the room; the range that the engine waits for needs none, so nobody waits for ever.
            let room = Arc::clone(&shared.room).try_acquire_owned().ok();
            if room.is_none() && begun != order.given() {
                break;
            }
            let first = wanted.start + begun * part;
            let range = first..wanted.end.min(first + part);
            let (reader, concurrency, number) = (Arc::clone(&reader), shared.concurrency.clone(), begun);
            flying.spawn(async move {
                let lane = concurrency.take().await;
                let len = range.end - range.start;
                let bytes = reader.read(range).await?;
                lane.moved(len);
                Ok::<_, Error>((number, bytes, room))
            });
            begun += 1;
        }
        turn.set_wants_more(more(begun));
        let done = tokio::select! {
            Some(done) = flying.join_next() => done,
            () = turn.changed(), if begun < parts => continue,
            else => break,
        };
        let (number, bytes, room) = done.map_err(|e| Error::Broken(e.to_string()))??;
        order.put(number, (bytes, room)).map_err(|e| Error::Broken(e.to_string()))?;
        while let Some((mut bytes, room)) = order.pop() {
            while !bytes.is_empty() {
                let piece = bytes.split_to(PIECE.min(bytes.len()));
                hash.update(&piece);
                shared.count_sent(piece.len() as u64);
                if let Some(ready) = held.replace(piece)
                    && !give(out, ready, &turn).await
                {
                    // The engine went away; if it comes back it asks again.
                    return Ok(());
                }
            }
            drop(room);
        }
    }
    if let Some(digest) = check {
        digest.check(&Digest::finish(hash))?;
    }
    if let Some(last) = held {
        let _ = out.send(Ok(last)).await;
    }
    Ok(())
}

/// Hands a piece on; false: nobody takes it any more. While the engine takes nothing, the turn is given to others.
async fn give(out: &mpsc::Sender<Result<Bytes, io::Error>>, piece: Bytes, turn: &LayerTurn) -> bool {
    let place = if let Ok(place) = tokio::time::timeout(STALLED, out.reserve()).await {
        place
    } else {
        turn.set_wants_more(false);
        out.reserve().await
    };
    let Ok(place) = place else { return false };
    place.send(Ok(piece));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(asked("bytes=5-", 10), Some(5..10));
        assert_eq!(asked("bytes=0-3", 10), Some(0..4));
        assert_eq!(asked("bytes=0-99", 10), Some(0..10));
        for bad in ["bytes=10-", "bytes=3-2", "bytes=-5", "items=0-1", "bytes=0-18446744073709551615x"] {
            assert_eq!(asked(bad, 10), None, "{bad}");
        }
    }
}
