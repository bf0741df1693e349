//! Block buffers that are filled, sent, hashed and used again: the memory of an upload is their number, whatever the
//! length of the stream.

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;

/// A fixed number of buffers of one size. Taking one waits until one is free.
#[derive(Debug, Clone)]
pub struct BufferPool {
    shared: Arc<PoolState>,
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
    unmade: usize,
    closed: bool,
}

/// One buffer out of the pool; it returns when it, and every `Bytes` made of it, is dropped.
#[derive(Debug)]
pub struct Block {
    data: Vec<u8>,
    filled: usize,
    shared: Arc<PoolState>,
}

impl BufferPool {
    /// A pool of at most `blocks` buffers of `block_bytes`, made when first needed.
    pub fn new(blocks: usize, block_bytes: usize) -> Self {
        let state = Mutex::new(State { free: Vec::with_capacity(blocks), unmade: blocks, closed: false });
        Self { shared: Arc::new(PoolState { state, freed: Condvar::new(), block_bytes }) }
    }

    /// A free buffer, empty. Blocks the thread until there is one; `None` once the pool is closed.
    pub fn take(&self) -> Option<Block> {
        let lock = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |state: &mut State| !state.closed && state.free.is_empty() && state.unmade == 0;
        let mut state = self.shared.freed.wait_while(lock, waiting).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        let data = state.free.pop().unwrap_or_else(|| {
            state.unmade -= 1;
            vec![0; self.shared.block_bytes]
        });
        drop(state);
        Some(Block { data, filled: 0, shared: Arc::clone(&self.shared) })
    }

    /// Lets every waiting and later [`Self::take`] give `None`.
    pub fn close(&self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.freed.notify_all();
    }
}

impl Block {
    /// Reads until the buffer is full or the stream has ended; gives the number of bytes in it.
    ///
    /// # Errors
    /// The reader's, interruptions excepted.
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

    /// Its content, shared without copying.
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
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).free.push(data);
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives bytes in pieces of chosen sizes, as a pipe does.
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
        fn blocks_put_together_are_the_stream_and_all_but_the_last_are_full(
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
    fn a_buffer_returns_when_its_last_reference_is_gone_and_brings_no_old_bytes() {
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
    fn closing_frees_who_waits() {
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
