//! Detection of retries from the requests alone.
//!
//! Clients do not mark retries. A repeated block, block list or range of the same token is a retry. A call of the API is a
//! retry only after the same call failed, because clients repeat lookups on purpose.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Largest number of fingerprints: hundreds of gigabytes in 1 MiB pieces, and a few MiB of memory.
const CAPACITY: usize = 1 << 18;

/// Identity of a request.
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

    // Fingerprint of a resumed read: any first byte with the same end.
    fn rest(&self) -> Option<u64> {
        let Self::Read(path, _, end) = self else { return None };
        let mut hasher = DefaultHasher::new();
        ("rest", path, end).hash(&mut hasher);
        Some(hasher.finish())
    }
}

/// Fingerprints of one token's requests.
#[derive(Default)]
pub(crate) struct Retries {
    seen: HashSet<u64>,
}

impl Retries {
    /// Whether `attempt` is a retry; remembers it, unless it is a call.
    pub(crate) fn repeats(&mut self, attempt: &Attempt<'_>) -> bool {
        let fingerprint = attempt.fingerprint();
        if matches!(attempt, Attempt::Call(..)) {
            return self.seen.contains(&fingerprint);
        }
        let continues = attempt.rest().is_some_and(|rest| self.seen.contains(&rest));
        let known = !self.remember(fingerprint);
        known || continues
    }

    /// Remembers that `attempt` failed.
    pub(crate) fn failed(&mut self, attempt: &Attempt<'_>) {
        self.remember(attempt.rest().unwrap_or_else(|| attempt.fingerprint()));
    }

    // False when it was known already.
    fn remember(&mut self, fingerprint: u64) -> bool {
        if self.seen.len() < CAPACITY { self.seen.insert(fingerprint) } else { !self.seen.contains(&fingerprint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_block_is_a_retry_and_another_block_is_not() {
        let mut retries = Retries::default();
        assert!(!retries.repeats(&Attempt::Write("/a", "block", "1")));
        assert!(!retries.repeats(&Attempt::Write("/a", "block", "2")));
        assert!(!retries.repeats(&Attempt::Write("/b", "block", "1")));
        assert!(retries.repeats(&Attempt::Write("/a", "block", "1")));
    }

    #[test]
    fn repeated_or_resumed_range_is_a_retry() {
        let mut retries = Retries::default();
        assert!(!retries.repeats(&Attempt::Read("/a", 0, 100)));
        assert!(!retries.repeats(&Attempt::Read("/a", 50, 100)));
        assert!(retries.repeats(&Attempt::Read("/a", 0, 100)));
        retries.failed(&Attempt::Read("/a", 0, 100));
        assert!(retries.repeats(&Attempt::Read("/a", 60, 100)));
        assert!(!retries.repeats(&Attempt::Read("/a", 60, 90)));
    }

    #[test]
    fn call_is_a_retry_only_after_a_failure() {
        let mut retries = Retries::default();
        let call = Attempt::Call("/twirp/x", b"{}");
        assert!(!retries.repeats(&call));
        assert!(!retries.repeats(&call));
        retries.failed(&call);
        assert!(retries.repeats(&call));
        assert!(!retries.repeats(&Attempt::Call("/twirp/x", b"{1}")));
    }
}
