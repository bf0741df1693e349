//! Puts parts that arrive in any order back in order, holding no more than a window of them.

use std::collections::VecDeque;

/// Parts waiting for their turn. Part numbers begin at 0.
#[derive(Debug)]
pub struct InOrder<T> {
    next: u64,
    window: usize,
    held: VecDeque<Option<T>>,
}

/// A part that was not awaited: outside the window, given out already, or there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("part {index} was not awaited (next is {next})")]
pub struct Unexpected {
    /// The part.
    pub index: u64,
    /// The next part to come out.
    pub next: u64,
}

impl<T> InOrder<T> {
    /// Holds parts less than `window` (at least 1) ahead of the next one to come out.
    pub fn new(window: usize) -> Self {
        let window = window.max(1);
        Self { next: 0, window, held: VecDeque::with_capacity(window) }
    }

    /// Whether part `index` may be fetched now: there will be room for it whenever it arrives.
    pub fn admits(&self, index: u64) -> bool {
        index >= self.next && index - self.next < self.window as u64
    }

    /// Takes a part in.
    ///
    /// # Errors
    /// [`Unexpected`] unless the part is admitted and not there yet.
    pub fn put(&mut self, index: u64, part: T) -> Result<(), Unexpected> {
        let unexpected = Unexpected { index, next: self.next };
        if !self.admits(index) {
            return Err(unexpected);
        }
        let place = (index - self.next) as usize;
        if self.held.len() <= place {
            self.held.resize_with(place + 1, || None);
        }
        match &mut self.held[place] {
            Some(_) => Err(unexpected),
            empty => {
                *empty = Some(part);
                Ok(())
            }
        }
    }

    /// The next part in order, when it has arrived.
    pub fn pop(&mut self) -> Option<T> {
        let part = self.held.front_mut()?.take()?;
        self.held.pop_front();
        self.next += 1;
        Some(part)
    }

    /// How many parts have come out.
    pub fn given(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_awaited_is_refused() {
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
        fn any_order_of_arrival_gives_the_same_stream(
            count in 0_u64..60,
            window in 0_usize..9,
            choices in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let mut parts = InOrder::new(window);
            let (mut started, mut flying, mut seen) = (0, Vec::new(), Vec::new());
            let mut choices = choices.into_iter();
            while seen.len() < count as usize {
                while started < count && parts.admits(started) {
                    flying.push(started);
                    started += 1;
                }
                let arrived = flying.remove(choices.next().unwrap().index(flying.len()));
                parts.put(arrived, arrived).unwrap();
                while let Some(part) = parts.pop() {
                    seen.push(part);
                }
                prop_assert!(parts.held.len() <= window.max(1));
            }
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
            prop_assert_eq!(parts.given(), count);
        }
    }
}
