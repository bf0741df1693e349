//! When to try again: exponential waits with jitter, bounded in number and length, counted.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;

/// How often and how patiently an operation is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub attempts: u32,
    /// The first wait at most.
    pub base: Duration,
    /// No wait is longer, whatever the service asks for.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    /// Six tries, waits of up to 0.5, 1, 2, 4 and 8 s, none above 60 s.
    fn default() -> Self {
        Self { attempts: 6, base: Duration::from_millis(500), cap: Duration::from_mins(1) }
    }
}

impl RetryPolicy {
    /// The wait after the `failed`-th failure (from 1). `jitter` in 0..1 places it in the upper half of its step, so
    /// that parallel blocks that failed together do not come back together. What the service asked for is the least.
    pub fn delay(&self, failed: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        let step = self.base.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(self.cap);
        let jittered = step.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        jittered.max(asked.unwrap_or_default()).min(self.cap)
    }
}

/// What was done on the wire, shared by all tasks of a client.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) requests: AtomicU64,
    retries: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Counters {
    /// Requests sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Operations repeated after a failure.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Connections opened.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Counts the failures of one operation and waits between its tries.
pub(crate) struct Backoff<'a> {
    policy: RetryPolicy,
    counters: &'a Counters,
    failed: u32,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: RetryPolicy, counters: &'a Counters) -> Self {
        Self { policy, counters, failed: 0 }
    }

    /// Something got through: failures before it do not count against what follows.
    pub(crate) fn progress(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next try, or gives the failure back as final.
    pub(crate) async fn after(&mut self, failure: Error) -> Result<(), Error> {
        if !failure.is_transient() {
            return Err(failure);
        }
        self.failed += 1;
        if self.failed >= self.policy.attempts {
            return Err(Error::GaveUp { attempts: self.failed, last: Box::new(failure) });
        }
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.policy.delay(self.failed, failure.retry_after(), random_fraction())).await;
        Ok(())
    }
}

/// A random number that needs no generator: the standard library seeds its hashers from the system.
pub(crate) fn random_u64() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn random_fraction() -> f64 {
    (random_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 5, base: Duration::from_millis(100), cap: Duration::from_secs(10) };

    #[test]
    fn waits_double_and_stay_within_the_upper_half_of_their_step() {
        let least: Vec<u128> = (1..=5).map(|n| POLICY.delay(n, None, 0.0).as_millis()).collect();
        let most: Vec<u128> = (1..=5).map(|n| POLICY.delay(n, None, 1.0).as_millis()).collect();
        assert_eq!(least, [50, 100, 200, 400, 800]);
        assert_eq!(most, [100, 200, 400, 800, 1600]);
    }

    proptest! {
        #[test]
        fn no_wait_is_above_the_cap_or_below_what_was_asked(failed in 1_u32..200, asked in 0_u64..40_000, jitter in 0.0_f64..1.0) {
            let asked = Duration::from_millis(asked);
            let wait = POLICY.delay(failed, Some(asked), jitter);
            prop_assert!(wait <= POLICY.cap);
            prop_assert!(wait >= asked.min(POLICY.cap));
        }

        #[test]
        fn later_waits_are_never_shorter(failed in 1_u32..60, jitter in 0.0_f64..1.0) {
            prop_assert!(POLICY.delay(failed + 1, None, jitter) >= POLICY.delay(failed, None, jitter));
        }

        #[test]
        fn random_fractions_are_fractions(_ in 0..64) {
            prop_assert!((0.0..1.0).contains(&random_fraction()));
        }
    }

    #[tokio::test]
    async fn a_final_failure_is_given_back_at_once_and_a_transient_one_after_all_attempts() {
        let counters = Counters::default();
        let mut backoff = Backoff::new(RetryPolicy { base: Duration::ZERO, ..POLICY }, &counters);
        assert!(matches!(backoff.after(Error::EmptyStream).await, Err(Error::EmptyStream)));
        let broken = || Error::Broken { url: "u".into(), why: "w".into() };
        for _ in 0..4 {
            backoff.after(broken()).await.unwrap();
        }
        assert!(matches!(backoff.after(broken()).await, Err(Error::GaveUp { attempts: 5, .. })));
        assert_eq!(counters.retries(), 4);
        backoff.progress();
        backoff.after(broken()).await.unwrap();
    }
}
