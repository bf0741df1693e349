//! Pieces of a stream that several threads read, and whose memory is used again.

use std::io::{self, BufRead, Read};
use std::ops::Deref;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of pieces that nobody reads any more.
pub(super) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
    size: usize,
}

impl Pool {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), size })
    }

    /// Empty piece.
    pub(super) fn take(self: &Arc<Self>) -> Chunk {
        let used = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let data = used.unwrap_or_else(|| vec![0; self.size]);
        Chunk { data, len: 0, pool: Arc::clone(self) }
    }
}

/// Piece of a stream.
pub(super) struct Chunk {
    data: Vec<u8>,
    len: usize,
    pool: Arc<Pool>,
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(data);
    }
}

/// Fills a piece. Fewer bytes than its size end the stream.
pub(super) fn read_full(source: &mut impl Read, chunk: &mut Chunk) -> io::Result<usize> {
    while chunk.len < chunk.data.len() {
        match source.read(&mut chunk.data[chunk.len..]) {
            Ok(0) => break,
            Ok(bytes) => chunk.len += bytes,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(chunk.len)
}

/// Reader of the pieces of a queue. The stream ends when the sender is gone, also when the sender failed.
pub(super) struct ChunkReader {
    pieces: Receiver<Arc<Chunk>>,
    current: Option<Arc<Chunk>>,
    at: usize,
}

impl ChunkReader {
    pub(super) fn new(pieces: Receiver<Arc<Chunk>>) -> Self {
        Self { pieces, current: None, at: 0 }
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|c| self.at == c.len()) {
            // Gives the memory back before it waits.
            self.current = None;
            self.at = 0;
            self.current = self.pieces.recv().ok();
        }
        Ok(self.current.as_ref().map_or(&[], |c| &c[self.at..]))
    }

    fn consume(&mut self, bytes: usize) {
        let len = self.current.as_ref().map_or(0, |c| c.len());
        self.at = (self.at + bytes).min(len);
    }
}

impl Read for ChunkReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let at_hand = self.fill_buf()?;
        let bytes = at_hand.len().min(target.len());
        target[..bytes].copy_from_slice(&at_hand[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}
