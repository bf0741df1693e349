//! Pool of block buffers, which bounds the memory of an upload whatever the length of the stream.

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;

/// Pool of a fixed number of buffers of one size.
#[derive(Debug, Clone)]
pub struct BufferPool {
    pool: Arc<PoolState>,
}

#[derive(Debug)]
struct PoolState {
    state: Mutex<State>,
    freed: Condvar,
    block_bytes: usize,
}

#[derive(Debug)]
struct State {
    free: Vec<Vec<u8>>,
    unallocated: usize,
    closed: bool,
}

/// Buffer of a pool. It returns to the pool when it and every `Bytes` made from it are dropped.
#[derive(Debug)]
pub struct Block {
    data: Vec<u8>,
    filled: usize,
    pool: Arc<PoolState>,
}

impl BufferPool {
    /// Creates a pool of at most `blocks` buffers of `block_bytes`, allocated on first use.
    pub fn new(blocks: usize, block_bytes: usize) -> Self {
        let state = Mutex::new(State { free: Vec::with_capacity(blocks), unallocated: blocks, closed: false });
        Self { pool: Arc::new(PoolState { state, freed: Condvar::new(), block_bytes }) }
    }

    /// Takes an empty buffer. Blocks the thread until one is free; `None` once the pool is closed.
    pub fn take(&self) -> Option<Block> {
        let lock = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |state: &mut State| !state.closed && state.free.is_empty() && state.unallocated == 0;
        let mut state = self.pool.freed.wait_while(lock, waiting).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        let data = state.free.pop().unwrap_or_else(|| {
            state.unallocated -= 1;
            vec![0; self.pool.block_bytes]
        });
        drop(state);
        Some(Block { data, filled: 0, pool: Arc::clone(&self.pool) })
    }

    /// Closes the pool: every waiting and later [`Self::take`] returns `None`.
    pub fn close(&self) {
        self.pool.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.pool.freed.notify_all();
    }
}

impl Block {
    /// Reads until the buffer is full or the stream ends; returns the number of bytes in the buffer.
    ///
    /// # Errors
    /// Errors of the reader, except interruptions.
    pub fn fill(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        while self.filled < self.data.len() {
            match reader.read(&mut self.data[self.filled..]) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(self.filled)
    }

    /// Shares the content without a copy.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.data[..self.filled]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.pool.state.lock().unwrap_or_else(PoisonError::into_inner).free.push(data);
        self.pool.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reader that returns pieces of chosen sizes, as a pipe does.
    struct Dribble<'a> {
        rest: &'a [u8],
        sizes: Vec<usize>,
        turn: usize,
    }

    impl Read for Dribble<'_> {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            self.turn += 1;
            let size = self.sizes[self.turn % self.sizes.len()];
            if size == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = size.min(space.len()).min(self.rest.len());
            space[..n].copy_from_slice(&self.rest[..n]);
            self.rest = &self.rest[n..];
            Ok(n)
        }
    }

    proptest! {
        #[test]
        fn concatenated_blocks_are_the_stream_and_all_but_the_last_are_full(
            data in prop::collection::vec(any::<u8>(), 0..300),
            block in 1_usize..64,
            mut sizes in prop::collection::vec(0_usize..50, 0..6),
        ) {
            sizes.push(7);
            let pool = BufferPool::new(2, block);
            let mut reader = Dribble { rest: &data, sizes, turn: 0 };
            let mut seen = Vec::new();
            let mut lengths = Vec::new();
            loop {
                let mut space = pool.take().unwrap();
                let n = space.fill(&mut reader).unwrap();
                if n == 0 { break; }
                lengths.push(n);
                seen.extend_from_slice(&space.freeze());
            }
            prop_assert_eq!(lengths.len(), data.len().div_ceil(block));
            prop_assert!(lengths.iter().rev().skip(1).all(|&n| n == block));
            prop_assert_eq!(seen, data);
        }
    }

    #[test]
    fn buffer_returns_empty_after_its_last_reference_is_dropped() {
        let pool = BufferPool::new(1, 4);
        let mut block = pool.take().unwrap();
        block.fill(&mut &b"abcd"[..]).unwrap();
        let bytes = block.freeze();
        let other = bytes.clone();
        drop(bytes);
        let waiter = std::thread::spawn({
            let pool = pool.clone();
            move || pool.take().unwrap().as_ref().len()
        });
        assert_eq!(&other[..], b"abcd");
        drop(other);
        assert_eq!(waiter.join().unwrap(), 0);
    }

    #[test]
    fn closing_the_pool_wakes_waiting_threads() {
        let pool = BufferPool::new(1, 4);
        let held = pool.take().unwrap();
        let waiter = std::thread::spawn({
            let pool = pool.clone();
            move || pool.take().is_none()
        });
        pool.close();
        assert!(waiter.join().unwrap());
        drop(held);
        assert!(pool.take().is_none());
    }
}
