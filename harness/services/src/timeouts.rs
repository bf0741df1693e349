//! Time limits of the services. The times of a link profile are data of the profile instead.

use std::time::Duration;

/// Default validity of a signed blob URL and of a token.
pub const DEFAULT_TTL: Duration = Duration::from_hours(6);

/// Time before minting from which a token is valid, because clients compare with clocks of their own.
pub const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// Time that the end of a service waits for its connections.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Time that a service process may take to end before it is killed.
pub const PROCESS_EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval between two checks whether a service process has ended.
pub const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Wait after a failed accept, for example without free file descriptors.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

/// Longest single sleep of a shaped connection, after which it checks whether the service has ended.
pub const SLEEP_SLICE: Duration = Duration::from_millis(100);
