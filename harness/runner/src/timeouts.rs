//! Time limits of the runner. The plan sets the limit of a role's clock (`--timeout`).

use std::time::Duration;

handoff_model::timeouts! {
    /// Limit from the start of a job to its ready engine.
    pub JOB_START = Duration::from_mins(2);
    /// Limit to pull and boot a builder in preflight.
    pub BUILDER_CHECK = Duration::from_mins(10);
    /// Limit for a job to end after the request to stop.
    pub JOB_STOP = Duration::from_secs(30);
    /// Limit for a job to end after its input has closed, before SIGKILL.
    pub JOB_KILL = Duration::from_secs(5);
    /// Limit to write a job's dirty pages back.
    pub WRITE_BACK = Duration::from_mins(10);
    /// Limit to measure a job's disk, which takes seconds unless the disk hangs.
    pub DISK_MEASUREMENT = Duration::from_mins(2);
    /// Limit to check a job's disk, which moves gigabytes at its limit.
    pub DISK_CHECK = Duration::from_mins(10);
    /// Limit to read the identity of an image.
    pub IDENTITY = Duration::from_mins(30);
    /// Interval at which a wait checks for cancellation.
    pub(crate) CANCEL_POLL = Duration::from_millis(50);
    /// Interval at which an ending process is polled.
    pub(crate) EXIT_POLL = Duration::from_millis(5);
}
