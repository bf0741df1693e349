//! What GitHub allows a repository, as far as a profile states it: cache entries made in a minute, bytes stored.

use std::collections::VecDeque;

/// The time within which creations are counted, in ns.
const MINUTE: u64 = 60_000_000_000;

/// How many cache entries may be created within any minute. On a clock that the caller gives.
#[derive(Debug)]
pub struct Creations {
    most: usize,
    /// When those of the last minute were created, in ns, oldest first.
    recent: VecDeque<u64>,
}

impl Creations {
    /// At most `most` a minute.
    pub fn new(most: usize) -> Self {
        Self { most, recent: VecDeque::new() }
    }

    /// Forgets what was created: as if a minute had gone by.
    pub fn reset(&mut self) {
        self.recent.clear();
    }

    /// Takes one at `now`, or says after how many whole seconds one can be had. A refused one does not count.
    pub fn take(&mut self, now: u64) -> Result<(), u64> {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) >= MINUTE) {
            self.recent.pop_front();
        }
        match self.recent.front() {
            Some(oldest) if self.recent.len() >= self.most => {
                Err((oldest + MINUTE).saturating_sub(now).div_ceil(1_000_000_000).max(1))
            }
            _ => {
                self.recent.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn above_the_limit_the_wait_is_told_and_suffices() {
        let mut creations = Creations::new(3);
        for at in [0, 10, 20] {
            assert_eq!(creations.take(at * SECOND), Ok(()));
        }
        assert_eq!(creations.take(20 * SECOND + 1), Err(40));
        assert_eq!(creations.take(59 * SECOND), Err(1));
        assert_eq!(creations.take(60 * SECOND), Ok(()));
        assert_eq!(creations.take(60 * SECOND), Err(10), "the next of them leaves at 70 s");
        assert_eq!(creations.take(70 * SECOND), Ok(()));
        assert!(creations.take(70 * SECOND).is_err());
        creations.reset();
        assert_eq!(creations.take(70 * SECOND), Ok(()));
    }
}
