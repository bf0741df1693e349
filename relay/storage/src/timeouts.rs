//! Time limits of the clients: the one place that has them. [`crate::Limits`] carries those that a caller may change.
//!
//! A limit counts the time in which no byte moves, so that slow links are no failure. Two limits bound the rest: one operation
//! with all its attempts ends after [`FRUITLESS_TIMEOUT`] without progress, and all operations of a client together may wait
//! for the service for [`TRANSFER_TIMEOUT`].

use std::time::Duration;

handoff_model::timeouts! {
    /// Time to open a connection, and again for the tunnel of a proxy and for the TLS handshake.
    pub CONNECT_TIMEOUT = Duration::from_secs(30);
    /// Time without a byte until the answer to a call of the artifact or cache service begins.
    pub CALL_TIMEOUT = Duration::from_secs(30);
    /// Time without a byte until the answer to an uploaded block begins. It is longer than [`STALL_TIMEOUT`], because the system
    /// still sends up to 4 MiB after the last byte has left this process.
    pub BLOCK_TIMEOUT = Duration::from_mins(1);
    /// Time without a byte after which a connection counts as broken.
    pub STALL_TIMEOUT = Duration::from_secs(30);
    /// Time without a byte on any connection of a client after which [`crate::on_silence`] is told.
    pub SILENCE = Duration::from_secs(10);
    /// Time that one operation, with all its attempts and waits, may take without progress.
    pub FRUITLESS_TIMEOUT = Duration::from_mins(5);
    /// Time that a transfer may wait for the service. Times between operations, such as a build, do not count.
    pub TRANSFER_TIMEOUT = Duration::from_hours(2);
    /// Time that a commit gate may stay silent after the end of the stream.
    pub GATE_TIMEOUT = Duration::from_mins(10);
    /// Upper bound of the wait after the first failure. The bound doubles with each further failure.
    pub BACKOFF_BASE = Duration::from_millis(500);
    /// Longest wait between two attempts. A longer `Retry-After` is cut to it, and the attempt after it counts as any other.
    pub BACKOFF_CAP = Duration::from_mins(1);
    /// Shortest time over which the throughput of a number of requests in flight is measured.
    pub THROUGHPUT_WINDOW = Duration::from_millis(250);
}
