//! Retries: exponential backoff with jitter, bounded in number and length.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::pulse::{Limits, Pulse, Running};
use crate::timeouts::{BACKOFF_BASE, BACKOFF_CAP};

/// Number of attempts and waits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in total, including the first.
    pub attempts: u32,
    /// Upper bound of the first wait.
    pub base: Duration,
    /// Upper bound of every wait, whatever the service asks for.
    pub cap: Duration,
    /// Time limits.
    pub limits: Limits,
}

impl Default for RetryPolicy {
    /// Six attempts, with waits of up to 0.5, 1, 2, 4 and 8 s.
    fn default() -> Self {
        Self { attempts: 6, base: BACKOFF_BASE, cap: BACKOFF_CAP, limits: Limits::default() }
    }
}

impl RetryPolicy {
    /// Wait after the failure number `failed` (from 1), at least `asked`.
    ///
    /// `jitter` from 0 to 1 places the wait in the upper half of its step, so that blocks that failed together are not
    /// retried together.
    pub fn delay(&self, failed: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        let step = self.base.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(self.cap);
        let jittered = step.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        jittered.max(asked.unwrap_or_default()).min(self.cap)
    }
}

/// Counters of requests, shared by all tasks of a client.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) requests: AtomicU64,
    retries: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Counters {
    /// Retries after a failure.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Counts so far.
    pub fn traffic(&self) -> Traffic {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { requests: count(&self.requests), retries: self.retries(), connections: count(&self.connections) }
    }
}

/// Counts of a client's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests sent.
    pub requests: u64,
    /// Retries of operations.
    pub retries: u64,
    /// Connections opened.
    pub connections: u64,
}

/// Backoff of one operation: counts its failures and waits between attempts.
pub(crate) struct Backoff<'a> {
    policy: RetryPolicy,
    counters: &'a Counters,
    pulse: &'a Pulse,
    failed: u32,
    /// Last progress.
    since: Instant,
    /// Whether an attempt may have been carried out although it failed.
    ambiguous: bool,
    _running: Running,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: RetryPolicy, counters: &'a Counters, pulse: &'a Arc<Pulse>) -> Self {
        let since = Instant::now();
        Self { policy, counters, pulse, failed: 0, since, ambiguous: false, _running: pulse.run() }
    }

    /// Resets the count of failures, because the operation made progress.
    pub(crate) fn progress(&mut self) {
        (self.failed, self.since) = (0, Instant::now());
    }

    /// Whether the service may have carried out an attempt whose answer was lost.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Waits before the next attempt, or returns the failure as final.
    pub(crate) async fn after(&mut self, failure: Error) -> Result<(), Error> {
        if !failure.is_transient() {
            return Err(failure);
        }
        self.ambiguous |= failure.may_have_been_done();
        self.again(failure).await
    }

    /// As [`Self::after`], for a failure that is transient only here.
    pub(crate) async fn again(&mut self, failure: Error) -> Result<(), Error> {
        self.failed += 1;
        let policy = &self.policy;
        let wait = policy.delay(self.failed, failure.retry_after(), random_fraction());
        if self.failed >= policy.attempts || self.since.elapsed() + wait > policy.limits.fruitless {
            return Err(Error::GaveUp { attempts: self.failed, last: Box::new(failure) });
        }
        self.pulse.check_overall()?;
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
        let end = Instant::now() + wait;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left.min(policy.limits.silence)).await;
            self.pulse.report_silence("the service");
        }
        Ok(())
    }
}

/// A random number. On a system without a generator the clock has to do: the number only keeps two clients apart.
pub(crate) fn random_u64() -> u64 {
    getrandom::u64().unwrap_or_else(|_| monotonic_ns())
}

fn random_fraction() -> f64 {
    (random_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 5,
        base: Duration::from_millis(100),
        cap: Duration::from_secs(10),
        limits: Limits::DEFAULT,
    };

    /// A client's parts for backoffs.
    struct Client(RetryPolicy, Counters, Arc<Pulse>);

    impl Client {
        fn new(policy: RetryPolicy) -> Self {
            Self(policy, Counters::default(), Pulse::new(policy.limits))
        }

        fn backoff(&self) -> Backoff<'_> {
            Backoff::new(self.0, &self.1, &self.2)
        }
    }

    #[test]
    fn waits_double_and_stay_in_the_upper_half_of_their_step() {
        let least: Vec<u128> = (1..=5).map(|n| POLICY.delay(n, None, 0.0).as_millis()).collect();
        let most: Vec<u128> = (1..=5).map(|n| POLICY.delay(n, None, 1.0).as_millis()).collect();
        assert_eq!(least, [50, 100, 200, 400, 800]);
        assert_eq!(most, [100, 200, 400, 800, 1600]);
    }

    proptest! {
        #[test]
        fn wait_is_between_retry_after_and_the_cap(failed in 1_u32..200, asked in 0_u64..40_000, jitter in 0.0_f64..1.0) {
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
        fn random_fraction_is_below_1(_ in 0..64) {
            prop_assert!((0.0..1.0).contains(&random_fraction()));
        }
    }

    #[tokio::test]
    async fn permanent_failure_is_final_at_once_and_transient_one_after_all_attempts() {
        let client = Client::new(RetryPolicy { base: Duration::ZERO, ..POLICY });
        let mut backoff = client.backoff();
        assert!(matches!(backoff.after(Error::EmptyStream).await, Err(Error::EmptyStream)));
        let broken = || Error::Broken { url: "u".into(), why: "w".into() };
        for _ in 0..4 {
            backoff.after(broken()).await.unwrap();
        }
        assert!(matches!(backoff.after(broken()).await, Err(Error::GaveUp { attempts: 5, .. })));
        assert_eq!(client.1.retries(), 4);
        backoff.progress();
        backoff.after(broken()).await.unwrap();
    }

    #[tokio::test]
    async fn operation_without_progress_and_transfer_that_took_its_time_end_before_all_attempts() {
        let broken = || Error::Broken { url: "u".into(), why: "w".into() };
        let limits = Limits { fruitless: Duration::from_millis(1), ..Limits::DEFAULT };
        let fruitless = Client::new(RetryPolicy { limits, ..POLICY });
        assert!(matches!(fruitless.backoff().after(broken()).await, Err(Error::GaveUp { attempts: 1, .. })));
        let limits = Limits { transfer: Duration::ZERO, ..Limits::DEFAULT };
        let over = Client::new(RetryPolicy { limits, ..POLICY });
        let failure = over.backoff().after(broken()).await.unwrap_err();
        assert!(matches!(failure, Error::TooLong(_)) && !failure.is_transient(), "{failure}");
    }

    #[tokio::test]
    async fn only_a_lost_answer_leaves_open_whether_it_was_done() {
        let client = Client::new(RetryPolicy { base: Duration::ZERO, ..POLICY });
        let status = |status| Error::Status {
            what: "CreateArtifact",
            url: String::new(),
            status,
            code: String::new(),
            message: String::new(),
            retry_after: None,
        };
        let mut backoff = client.backoff();
        backoff.after(status(429)).await.unwrap();
        assert!(!backoff.is_ambiguous());
        backoff.after(status(502)).await.unwrap();
        assert!(backoff.is_ambiguous());
    }
}
