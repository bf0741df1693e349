//! Time limits of the services. The times of a link profile are data of the profile instead.

use std::time::Duration;

handoff_model::timeouts! {
    /// Default validity of a signed blob URL and of a token.
    pub DEFAULT_TTL = Duration::from_hours(6);
    /// Time before minting from which a token is valid, because clients compare with clocks of their own.
    pub CLOCK_SKEW = Duration::from_mins(1);
    /// Time that the end of a service waits for its connections.
    pub SHUTDOWN_TIMEOUT = Duration::from_secs(5);
    /// Time that a service process may take to end before it is killed.
    pub PROCESS_EXIT_TIMEOUT = Duration::from_secs(10);
    /// Interval between two checks whether a service process has ended.
    pub EXIT_POLL_INTERVAL = Duration::from_millis(2);
    /// Wait after a failed accept, for example without free file descriptors.
    pub ACCEPT_BACKOFF = Duration::from_millis(10);
    /// Longest single sleep of a shaped connection, after which it checks whether the service has ended.
    pub SLEEP_SLICE = Duration::from_millis(100);
}
