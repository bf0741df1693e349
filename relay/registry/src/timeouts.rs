//! Time limits of relay's registries.

use std::time::Duration;

handoff_model::timeouts! {
    /// Time after which a blob whose engine takes no byte lets other blobs fetch.
    pub ENGINE_STALL_TIMEOUT = Duration::from_millis(20);
    /// Time without a new request after which the engine is assumed to have all layers that it did not request.
    pub QUIET_INTERVAL = Duration::from_millis(20);
    /// Longest wait of a layer for the requests of lower layers.
    pub LOWER_LAYERS_TIMEOUT = Duration::from_millis(200);
    /// Longest wait for a reserved cache entry that another job may be sending. Then the sender sends the blob itself.
    pub ENTRY_WAIT_TIMEOUT = Duration::from_secs(5);
    /// Interval of the lookups during this wait.
    pub ENTRY_POLL_INTERVAL = Duration::from_millis(500);
    /// Time without a byte after which a client no longer waits for another client that pushes the same blob.
    pub SAME_BLOB_STALL_TIMEOUT = Duration::from_mins(1);
}
