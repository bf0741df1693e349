//! Time limits of engines and their API.

use std::time::Duration;

/// Limit of one API call: one call may move gigabytes, and bollard's default is two minutes.
pub const API_CALL: Duration = Duration::from_hours(1);
/// Limit from the start of a daemon, or of an engine's container, to its first answer.
pub const DAEMON_START: Duration = Duration::from_secs(30);
/// Limit for a daemon to end after SIGTERM, before SIGKILL.
pub const DAEMON_STOP: Duration = Duration::from_secs(10);
/// Interval at which a starting or ending daemon is polled.
pub(crate) const DAEMON_POLL: Duration = Duration::from_millis(5);
/// Interval at which an engine's container is polled.
pub(crate) const CONTAINER_POLL: Duration = Duration::from_millis(20);
