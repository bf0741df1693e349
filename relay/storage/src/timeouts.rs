//! Time limits of the clients.

use std::time::Duration;

handoff_model::timeouts! {
    /// Time to open a connection, and again for its TLS handshake.
    pub CONNECT_TIMEOUT = Duration::from_secs(30);
    /// Time until the answer to a call of the artifact or cache service begins.
    pub CALL_TIMEOUT = Duration::from_mins(1);
    /// Time until the answer to a request for a blob begins, an uploaded block included.
    pub BLOB_TIMEOUT = Duration::from_mins(5);
    /// Time without a byte after which a connection counts as broken.
    pub STALL_TIMEOUT = Duration::from_mins(1);
    /// Time that a commit gate may stay silent after the end of the stream.
    pub GATE_TIMEOUT = Duration::from_mins(10);
    /// Upper bound of the wait after the first failure. The bound doubles with each further failure.
    pub BACKOFF_BASE = Duration::from_millis(500);
    /// Longest wait between two attempts, whatever the service asks for.
    pub BACKOFF_CAP = Duration::from_mins(1);
    /// Shortest time over which the throughput of a number of requests in flight is measured.
    pub THROUGHPUT_WINDOW = Duration::from_millis(250);
}
