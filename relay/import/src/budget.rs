//! Memory that all layers of an import may use together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// Memory of a whole import, for the decoders and queues of its layers. Clones share it.
///
/// A layer that finds too little is refused instead of waiting: layers that wait for each other on one connection would
/// never end.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<AtomicUsize>);

impl MemoryBudget {
    /// Bytes for a process that stays below 256 MiB with its own code and stacks, and with the bytes between its pipe, the
    /// layers and containerd: three usual layers, or a usual one and one with the largest window.
    pub const DEFAULT_BYTES: usize = 178 << 20;

    /// Makes a budget.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Takes bytes until the reservation is dropped.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservation, Error> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes));
        match taken {
            Ok(_) => Ok(Reservation { budget: self.clone(), bytes }),
            Err(free) => Err(Error::Memory { needed: bytes, free }),
        }
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

/// Bytes taken from a budget.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: MemoryBudget,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_reservation_gives_its_bytes_back() {
        let budget = MemoryBudget::new(10);
        let held = budget.reserve(8).unwrap();
        let error = budget.clone().reserve(4).unwrap_err();
        assert!(matches!(error, Error::Memory { needed: 4, free: 2 }), "{error}");
        drop(held);
        budget.reserve(10).unwrap();
    }
}
