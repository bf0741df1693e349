//! Sees from the requests alone which of them repeat an earlier one.
//!
//! Clients do not say that they retry. A block, a block list or a range that is asked for again by the same token is a
//! retry; a call of the API is one only when the same call failed before, since clients repeat lookups on purpose.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Enough for the blocks and ranges of hundreds of gigabytes in 1 MiB pieces, and at most a few MiB of memory.
const CAPACITY: usize = 1 << 18;

/// What identifies a request for this purpose.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Attempt<'a> {
    /// A call: its path and body.
    Call(&'a str, &'a [u8]),
    /// A write to a blob: path, operation and block id.
    Write(&'a str, &'a str, &'a str),
    /// A read of a blob: path, first byte and end.
    Read(&'a str, u64, u64),
}

impl Attempt<'_> {
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    // Where a broken read would be taken up again: at any first byte, with the same end.
    fn rest(&self) -> Option<u64> {
        let Self::Read(path, _, end) = self else { return None };
        let mut hasher = DefaultHasher::new();
        ("rest", path, end).hash(&mut hasher);
        Some(hasher.finish())
    }
}

/// Fingerprints of what one token has asked for.
#[derive(Default)]
pub(crate) struct Retries {
    seen: HashSet<u64>,
}

impl Retries {
    /// Whether `attempt` repeats an earlier one; remembers it, unless it is a call.
    pub(crate) fn repeats(&mut self, attempt: &Attempt<'_>) -> bool {
        let own = attempt.fingerprint();
        if matches!(attempt, Attempt::Call(..)) {
            return self.seen.contains(&own);
        }
        let continues = attempt.rest().is_some_and(|rest| self.seen.contains(&rest));
        let known = !self.remember(own);
        known || continues
    }

    /// Remembers that `attempt` failed.
    pub(crate) fn failed(&mut self, attempt: &Attempt<'_>) {
        self.remember(attempt.rest().unwrap_or_else(|| attempt.fingerprint()));
    }

    // False when it was there already.
    fn remember(&mut self, fingerprint: u64) -> bool {
        if self.seen.len() < CAPACITY { self.seen.insert(fingerprint) } else { !self.seen.contains(&fingerprint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_sent_again_is_a_retry_and_another_block_is_not() {
        let mut retries = Retries::default();
        assert!(!retries.repeats(&Attempt::Write("/a", "block", "1")));
        assert!(!retries.repeats(&Attempt::Write("/a", "block", "2")));
        assert!(!retries.repeats(&Attempt::Write("/b", "block", "1")));
        assert!(retries.repeats(&Attempt::Write("/a", "block", "1")));
    }

    #[test]
    fn a_range_asked_again_or_taken_up_after_a_break_is_a_retry() {
        let mut retries = Retries::default();
        assert!(!retries.repeats(&Attempt::Read("/a", 0, 100)));
        assert!(!retries.repeats(&Attempt::Read("/a", 50, 100)));
        assert!(retries.repeats(&Attempt::Read("/a", 0, 100)));
        retries.failed(&Attempt::Read("/a", 0, 100));
        assert!(retries.repeats(&Attempt::Read("/a", 60, 100)));
        assert!(!retries.repeats(&Attempt::Read("/a", 60, 90)));
    }

    #[test]
    fn a_call_is_a_retry_only_after_a_failure() {
        let mut retries = Retries::default();
        let call = Attempt::Call("/twirp/x", b"{}");
        assert!(!retries.repeats(&call));
        assert!(!retries.repeats(&call));
        retries.failed(&call);
        assert!(retries.repeats(&call));
        assert!(!retries.repeats(&Attempt::Call("/twirp/x", b"{1}")));
    }
}
