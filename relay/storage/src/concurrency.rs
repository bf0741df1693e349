//! How many requests to have in flight: found out by trying, within the service's limits.
//!
//! A link gives each connection a share that nobody publishes, and all connections together another. So the number of lanes
//! grows while more of them carry more bytes a second, and stays where they do not. A fixed number switches that off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where growing starts.
const START: usize = 8;
/// A gain below this share is taken for noise.
const GAIN: f64 = 1.05;
/// A window is at least this long, so that a burst is not taken for a rate.
const WINDOW: Duration = Duration::from_millis(250);

/// Lanes: the right to have a request in flight.
#[derive(Debug, Clone)]
pub struct AdaptiveConcurrency {
    free: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

/// One request's lane, given back when dropped.
#[derive(Debug)]
pub struct RequestSlot {
    permit: Option<OwnedSemaphorePermit>,
    lanes: AdaptiveConcurrency,
}

#[derive(Debug, Default)]
struct State {
    search: ConcurrencySearch,
    adapts: bool,
    /// Lanes that are to be closed when they are given back.
    surplus: usize,
    busy: usize,
    window_start: Option<Instant>,
    window_bytes: u64,
    window_full: bool,
}

/// The search for the number of lanes: pure, driven by the rate of each window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ConcurrencySearch {
    lanes: usize,
    most: usize,
    /// The best rate so far, with the lanes that gave it.
    best: Option<(f64, usize)>,
    settled: bool,
}

impl ConcurrencySearch {
    pub(crate) fn new(start: usize, most: usize) -> Self {
        Self { lanes: start.clamp(1, most.max(1)), most: most.max(1), best: None, settled: false }
    }

    /// Takes the rate of a window in which all lanes were in use, gives the number of lanes to use next.
    pub(crate) fn window(&mut self, rate: f64) -> usize {
        if self.settled {
            return self.lanes;
        }
        match self.best {
            Some((best, lanes)) if rate < best * GAIN => {
                // More lanes carried no more: back to the fewest that did.
                self.lanes = lanes;
                self.settled = true;
            }
            _ => {
                self.best = Some((rate, self.lanes));
                self.lanes = (self.lanes + self.lanes.div_ceil(2)).min(self.most);
                self.settled = self.best.is_some_and(|(_, lanes)| lanes == self.most);
            }
        }
        self.lanes
    }
}

impl AdaptiveConcurrency {
    /// As many lanes as `fixed`, or as many as turn out to carry more, up to `most`.
    pub fn new(fixed: Option<usize>, most: usize) -> Self {
        let search = ConcurrencySearch::new(fixed.unwrap_or(START), fixed.unwrap_or(most));
        let free = Arc::new(Semaphore::new(search.lanes));
        let state = State { search, adapts: fixed.is_none(), window_full: true, ..State::default() };
        Self { free, state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a lane.
    pub async fn take(&self) -> RequestSlot {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let mut state = self.lock();
        state.busy += 1;
        state.window_start.get_or_insert_with(Instant::now);
        drop(state);
        RequestSlot { permit, lanes: self.clone() }
    }

    /// The number of lanes now.
    pub fn count(&self) -> usize {
        self.lock().search.lanes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestSlot {
    /// The request has moved so many bytes.
    pub fn moved(self, bytes: u64) {
        let mut state = self.lanes.lock();
        state.window_bytes += bytes;
        // With a lane free, the rate says what was asked for, not what the link can carry.
        if state.busy < state.search.lanes {
            state.window_full = false;
        }
        let Some(start) = state.window_start else { return };
        let elapsed = start.elapsed();
        if !state.adapts || elapsed < WINDOW {
            return;
        }
        let rate = state.window_bytes as f64 / elapsed.as_secs_f64();
        let (before, full) = (state.search.lanes, state.window_full);
        let after = if full { state.search.window(rate) } else { before };
        (state.window_start, state.window_bytes, state.window_full) = (Some(Instant::now()), 0, true);
        if after > before {
            let closing = state.surplus.min(after - before);
            state.surplus -= closing;
            self.lanes.free.add_permits(after - before - closing);
        } else {
            state.surplus += before - after;
        }
    }
}

impl Drop for RequestSlot {
    fn drop(&mut self) {
        let mut state = self.lanes.lock();
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

    /// A link that gives each lane `each` and all together `all`.
    fn search(each: f64, all: f64, most: usize) -> usize {
        let mut search = ConcurrencySearch::new(START, most);
        let mut lanes = search.lanes;
        for _ in 0..40 {
            lanes = search.window((each * lanes as f64).min(all));
        }
        lanes
    }

    #[test]
    fn lanes_grow_where_each_carries_its_share_and_stop_where_all_are_full() {
        assert_eq!(search(1.0, 1e9, 32), 32);
        assert_eq!(search(30.0, 120.0, 32), START, "four would do, eight are no worse");
        assert_eq!(search(10.0, 120.0, 32), 12);
        assert_eq!(search(1.0, 1e9, 1), 1);
    }

    proptest! {
        #[test]
        fn no_link_is_left_far_below_what_it_carries(each in 1.0_f64..100.0, all in 1.0_f64..2000.0, most in 1_usize..64) {
            let lanes = search(each, all, most);
            prop_assert!((1..=most).contains(&lanes));
            let (got, can) = ((each * lanes as f64).min(all), (each * most as f64).min(all));
            prop_assert!(got * GAIN * 1.01 >= can, "{got} of {can} with {lanes}");
        }
    }

    #[tokio::test]
    async fn a_fixed_number_is_kept_and_lanes_come_back() {
        let lanes = AdaptiveConcurrency::new(Some(2), 32);
        let (first, _second) = (lanes.take().await, lanes.take().await);
        let third = tokio::spawn({
            let lanes = lanes.clone();
            async move { lanes.take().await }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        first.moved(1);
        third.await.unwrap();
        assert_eq!(lanes.count(), 2);
    }
}
