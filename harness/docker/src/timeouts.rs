//! Time limits of engines and their API.

use std::time::Duration;

handoff_model::timeouts! {
    /// Limit of one API call: one call may move gigabytes, and bollard's default is two minutes.
    pub API_CALL = Duration::from_hours(1);
    /// Limit from the start of a daemon, or of an engine's container, to its first answer.
    pub DAEMON_START = Duration::from_secs(30);
    /// Limit for a daemon to end after SIGTERM, before SIGKILL.
    pub DAEMON_STOP = Duration::from_secs(10);
    /// Interval at which a starting or ending daemon is polled.
    pub(crate) DAEMON_POLL = Duration::from_millis(5);
    /// Interval at which an engine's container is polled.
    pub(crate) CONTAINER_POLL = Duration::from_millis(20);
}
