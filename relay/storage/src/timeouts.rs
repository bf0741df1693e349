//! Time limits of the clients.

use std::time::Duration;

/// Time to open a connection, and again for its TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time until the answer to a call of the artifact or cache service begins.
pub const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Time until the answer to a request for a blob begins, an uploaded block included.
pub const BLOB_TIMEOUT: Duration = Duration::from_mins(5);

/// Time without a byte after which a connection counts as broken.
pub const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Time that a commit gate may stay silent after the end of the stream.
pub const GATE_TIMEOUT: Duration = Duration::from_mins(10);

/// Upper bound of the wait after the first failure. The bound doubles with each further failure.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);

/// Longest wait between two attempts, whatever the service asks for.
pub const BACKOFF_CAP: Duration = Duration::from_mins(1);

/// Shortest time over which the throughput of a number of requests in flight is measured.
pub const THROUGHPUT_WINDOW: Duration = Duration::from_millis(250);
