//! Reordering of parts that arrive in any order, with a bounded window.

use std::collections::VecDeque;

/// Parts that wait for earlier parts. Part numbers begin at 0.
#[derive(Debug)]
pub struct InOrder<T> {
    next: u64,
    window: usize,
    held: VecDeque<Option<T>>,
}

/// Error of a part that is outside the window, was already taken, or is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("part {index} was not expected (the next is {next})")]
pub struct Unexpected {
    /// Number of the part.
    pub index: u64,
    /// Number of the next part.
    pub next: u64,
}

impl<T> InOrder<T> {
    /// Creates a window that holds parts less than `window` (at least 1) ahead of the next one.
    pub fn new(window: usize) -> Self {
        let window = window.max(1);
        Self { next: 0, window, held: VecDeque::with_capacity(window) }
    }

    /// Whether the window has room for part `index`, so that it may be fetched.
    pub fn has_room_for(&self, index: u64) -> bool {
        index >= self.next && index - self.next < self.window as u64
    }

    /// Adds a part.
    ///
    /// # Errors
    /// [`Unexpected`] unless the window has room for the part and does not hold it yet.
    pub fn put(&mut self, index: u64, part: T) -> Result<(), Unexpected> {
        let unexpected = Unexpected { index, next: self.next };
        if !self.has_room_for(index) {
            return Err(unexpected);
        }
        let slot = (index - self.next) as usize;
        if self.held.len() <= slot {
            self.held.resize_with(slot + 1, || None);
        }
        match &mut self.held[slot] {
            Some(_) => Err(unexpected),
            empty => {
                *empty = Some(part);
                Ok(())
            }
        }
    }

    /// Takes the next part in order, if it has arrived.
    pub fn pop(&mut self) -> Option<T> {
        let part = self.held.front_mut()?.take()?;
        self.held.pop_front();
        self.next += 1;
        Some(part)
    }

    /// Number of parts taken.
    pub fn taken(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn part_outside_the_window_or_duplicate_is_refused() {
        let mut parts = InOrder::new(2);
        assert!(parts.put(2, 'c').is_err(), "beyond the window");
        parts.put(1, 'b').unwrap();
        assert!(parts.put(1, 'b').is_err(), "there twice");
        assert_eq!(parts.pop(), None);
        parts.put(0, 'a').unwrap();
        assert_eq!([parts.pop(), parts.pop(), parts.pop()], [Some('a'), Some('b'), None]);
        assert_eq!(parts.put(1, 'b'), Err(Unexpected { index: 1, next: 2 }));
    }

    proptest! {
        /// Fetches as a download does: any admitted part may start, any started one may arrive next.
        #[test]
        fn parts_in_any_order_become_the_same_stream(
            count in 0_u64..60,
            window in 0_usize..9,
            choices in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let mut parts = InOrder::new(window);
            let (mut started, mut in_flight, mut seen) = (0, Vec::new(), Vec::new());
            let mut choices = choices.into_iter();
            while seen.len() < count as usize {
                while started < count && parts.has_room_for(started) {
                    in_flight.push(started);
                    started += 1;
                }
                let arrived = in_flight.remove(choices.next().unwrap().index(in_flight.len()));
                parts.put(arrived, arrived).unwrap();
                while let Some(part) = parts.pop() {
                    seen.push(part);
                }
                prop_assert!(parts.held.len() <= window.max(1));
            }
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
            prop_assert_eq!(parts.taken(), count);
        }
    }
}
