//! Time limits of GitHub's API and of a job's private engine.

use std::time::Duration;

/// Limit of one HTTP call, which may download an artifact.
pub const HTTP_CALL: Duration = Duration::from_mins(10);
/// Limit to connect to GitHub's API.
pub const CONNECT: Duration = Duration::from_secs(20);
/// Longest wait for a rate limit to end.
pub const RATE_LIMIT_WAIT: Duration = Duration::from_mins(15);
/// Wait after a secondary rate limit without a time, as GitHub's documentation asks for.
pub(crate) const SECONDARY_RATE_LIMIT_WAIT: Duration = Duration::from_mins(1);
/// Limit from the start of a job's private engine to its first answer.
pub const ENGINE_START: Duration = Duration::from_mins(1);
/// Limit for a job's private engine to end.
pub const ENGINE_STOP: Duration = Duration::from_secs(30);
/// Interval at which a private engine's files are polled.
pub(crate) const ENGINE_POLL: Duration = Duration::from_millis(100);
/// Interval at which a run is polled, in seconds.
pub(crate) const RUN_POLL_S: u64 = 20;
/// Interval at which a dispatched run is looked up, in seconds.
pub(crate) const DISPATCH_POLL_S: u64 = 2;
