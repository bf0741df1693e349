//! Time limits of relay's registries.

use std::time::Duration;

handoff_model::timeouts! {
    /// Time after which a blob whose engine takes no byte lets other blobs fetch.
    pub ENGINE_STALL_TIMEOUT = Duration::from_millis(20);
    /// Time without a new request after which the engine is assumed to have all layers that it did not request.
    pub QUIET_INTERVAL = Duration::from_millis(20);
    /// Longest wait of a layer for the requests of lower layers.
    pub LOWER_LAYERS_TIMEOUT = Duration::from_millis(200);
}
