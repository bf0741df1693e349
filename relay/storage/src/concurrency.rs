//! Number of requests in flight, adapted to the measured throughput.
//!
//! GitHub does not publish the bandwidth of one connection or of all connections together. So the number of slots grows while
//! more slots increase the throughput, and stays where they do not. A fixed number switches the adaptation off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::timeouts::THROUGHPUT_WINDOW;

/// Number of slots at the start.
const INITIAL_SLOTS: usize = 8;
/// Smallest ratio of throughputs that counts as a gain; less is noise.
const MIN_GAIN: f64 = 1.05;

/// Permits for requests in flight.
#[derive(Debug, Clone)]
pub struct AdaptiveConcurrency {
    free: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

/// Permit for one request in flight. Dropping it returns it.
#[derive(Debug)]
pub struct RequestSlot {
    permit: Option<OwnedSemaphorePermit>,
    slots: AdaptiveConcurrency,
}

#[derive(Debug, Default)]
struct State {
    search: ConcurrencySearch,
    adapts: bool,
    /// Slots to close when they return.
    surplus: usize,
    busy: usize,
    window_start: Option<Instant>,
    window_bytes: u64,
    window_full: bool,
}

/// Search for the number of slots, driven by the throughput of each window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ConcurrencySearch {
    slots: usize,
    max: usize,
    /// Best rate so far, and its number of slots.
    best: Option<(f64, usize)>,
    settled: bool,
}

impl ConcurrencySearch {
    pub(crate) fn new(start: usize, max: usize) -> Self {
        Self { slots: start.clamp(1, max.max(1)), max: max.max(1), best: None, settled: false }
    }

    /// Takes the rate of a window in which all slots were in use; returns the number of slots to use next.
    pub(crate) fn window(&mut self, rate: f64) -> usize {
        if self.settled {
            return self.slots;
        }
        match self.best {
            Some((best, slots)) if rate < best * MIN_GAIN => {
                // More slots brought no gain: return to the smaller number.
                self.slots = slots;
                self.settled = true;
            }
            _ => {
                self.best = Some((rate, self.slots));
                self.slots = (self.slots + self.slots.div_ceil(2)).min(self.max);
                self.settled = self.best.is_some_and(|(_, slots)| slots == self.max);
            }
        }
        self.slots
    }
}

impl AdaptiveConcurrency {
    /// Creates `fixed` slots, or an adaptive number up to `max`.
    pub fn new(fixed: Option<usize>, max: usize) -> Self {
        let search = ConcurrencySearch::new(fixed.unwrap_or(INITIAL_SLOTS), fixed.unwrap_or(max));
        let free = Arc::new(Semaphore::new(search.slots));
        let state = State { search, adapts: fixed.is_none(), window_full: true, ..State::default() };
        Self { free, state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a slot.
    pub async fn take(&self) -> RequestSlot {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let mut state = self.lock();
        state.busy += 1;
        state.window_start.get_or_insert_with(Instant::now);
        drop(state);
        RequestSlot { permit, slots: self.clone() }
    }

    /// Current number of slots.
    pub fn count(&self) -> usize {
        self.lock().search.slots
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestSlot {
    /// Ends the request after it moved `bytes`.
    pub fn moved(self, bytes: u64) {
        let mut state = self.slots.lock();
        state.window_bytes += bytes;
        // With a free slot, the rate is the demand, not the capacity of the link.
        if state.busy < state.search.slots {
            state.window_full = false;
        }
        let Some(start) = state.window_start else { return };
        let elapsed = start.elapsed();
        if !state.adapts || elapsed < THROUGHPUT_WINDOW {
            return;
        }
        let rate = state.window_bytes as f64 / elapsed.as_secs_f64();
        let (before, full) = (state.search.slots, state.window_full);
        let after = if full { state.search.window(rate) } else { before };
        (state.window_start, state.window_bytes, state.window_full) = (Some(Instant::now()), 0, true);
        if after > before {
            let closing = state.surplus.min(after - before);
            state.surplus -= closing;
            self.slots.free.add_permits(after - before - closing);
        } else {
            state.surplus += before - after;
        }
    }
}

impl Drop for RequestSlot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.busy -= 1;
        if state.surplus > 0 {
            state.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Searches on a link with the rate `each` per slot and `all` in total.
    fn search(each: f64, all: f64, max: usize) -> usize {
        let mut search = ConcurrencySearch::new(INITIAL_SLOTS, max);
        let mut slots = search.slots;
        for _ in 0..40 {
            slots = search.window((each * slots as f64).min(all));
        }
        slots
    }

    #[test]
    fn slots_grow_until_the_throughput_stops_growing() {
        assert_eq!(search(1.0, 1e9, 32), 32);
        assert_eq!(search(30.0, 120.0, 32), INITIAL_SLOTS, "four would suffice, eight are no worse");
        assert_eq!(search(10.0, 120.0, 32), 12);
        assert_eq!(search(1.0, 1e9, 1), 1);
    }

    proptest! {
        #[test]
        fn search_reaches_nearly_the_capacity_of_any_link(each in 1.0_f64..100.0, all in 1.0_f64..2000.0, max in 1_usize..64) {
            let slots = search(each, all, max);
            prop_assert!((1..=max).contains(&slots));
            let (got, can) = ((each * slots as f64).min(all), (each * max as f64).min(all));
            prop_assert!(got * MIN_GAIN * 1.01 >= can, "{got} of {can} with {slots}");
        }
    }

    #[tokio::test]
    async fn fixed_number_is_kept_and_dropped_slots_return() {
        let slots = AdaptiveConcurrency::new(Some(2), 32);
        let (first, _second) = (slots.take().await, slots.take().await);
        let third = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take().await }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        first.moved(1);
        third.await.unwrap();
        assert_eq!(slots.count(), 2);
    }
}
