//! Time limits of relay's registries.

use std::time::Duration;

/// Time after which a blob whose engine takes no byte lets other blobs fetch.
pub const ENGINE_STALL_TIMEOUT: Duration = Duration::from_millis(20);

/// Time without a new request after which the engine is assumed to have all layers that it did not request.
pub const QUIET_INTERVAL: Duration = Duration::from_millis(20);

/// Longest wait of a layer for the requests of lower layers.
pub const LOWER_LAYERS_TIMEOUT: Duration = Duration::from_millis(200);
