//! Time limits of GitHub's API and of a job's private engine.

use std::time::Duration;

handoff_model::timeouts! {
    /// Limit of one HTTP call, which may download an artifact.
    pub HTTP_CALL = Duration::from_mins(10);
    /// Limit to connect to GitHub's API.
    pub CONNECT = Duration::from_secs(20);
    /// Longest wait for a rate limit to end.
    pub RATE_LIMIT_WAIT = Duration::from_mins(15);
    /// Wait after a secondary rate limit without a time, as GitHub's documentation asks for.
    pub(crate) SECONDARY_RATE_LIMIT_WAIT = Duration::from_mins(1);
    /// Limit from the start of a job's private engine to its first answer.
    pub ENGINE_START = Duration::from_mins(1);
    /// Limit for a job's private engine to end.
    pub ENGINE_STOP = Duration::from_secs(30);
    /// Interval at which a private engine's files are polled.
    pub(crate) ENGINE_POLL = Duration::from_millis(100);
}

/// Interval at which a run is polled, in seconds.
pub(crate) const RUN_POLL_S: u64 = 20;

/// Interval at which a dispatched run is looked up, in seconds.
pub(crate) const DISPATCH_POLL_S: u64 = 2;
