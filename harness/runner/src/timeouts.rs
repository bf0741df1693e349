//! Time limits of the runner. The plan sets the limit of a role's clock (`--timeout`).

use std::time::Duration;

/// Limit from the start of a job to its ready engine.
pub const JOB_START: Duration = Duration::from_mins(2);
/// Limit to pull and boot a builder in preflight.
pub const BUILDER_CHECK: Duration = Duration::from_mins(10);
/// Limit for a job to end after the request to stop.
pub const JOB_STOP: Duration = Duration::from_secs(30);
/// Limit for a job to end after its input has closed, before SIGKILL.
pub const JOB_KILL: Duration = Duration::from_secs(5);
/// Limit to write a job's dirty pages back.
pub const WRITE_BACK: Duration = Duration::from_mins(10);
/// Limit to measure a job's disk, which takes seconds unless the disk hangs.
pub const DISK_MEASUREMENT: Duration = Duration::from_mins(2);
/// Limit to read the identity of an image.
pub const IDENTITY: Duration = Duration::from_mins(30);
/// Interval at which a wait checks for cancellation.
pub(crate) const CANCEL_POLL: Duration = Duration::from_millis(50);
/// Interval at which an ending process is polled.
pub(crate) const EXIT_POLL: Duration = Duration::from_millis(5);
