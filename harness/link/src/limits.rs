//! Rate limit of a repository: cache entries created in a minute.

use std::collections::VecDeque;

/// Interval of the rate limit, in ns.
const MINUTE: u64 = 60_000_000_000;

/// Rate limit of cache entries in any minute, on the caller's clock.
#[derive(Debug)]
pub struct Creations {
    most: usize,
    /// Creation times in the last minute, in ns, oldest first.
    recent: VecDeque<u64>,
}

impl Creations {
    /// Creates a limit of `most` entries a minute.
    pub fn new(most: usize) -> Self {
        Self { most, recent: VecDeque::new() }
    }

    /// Resets the limit, as if a minute had passed.
    pub fn reset(&mut self) {
        self.recent.clear();
    }

    /// Counts an entry created at `now`, in ns. A refused entry does not count.
    ///
    /// # Errors
    /// Whole seconds to wait when the limit is reached.
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
    fn entry_beyond_the_limit_is_refused_with_a_sufficient_wait() {
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
