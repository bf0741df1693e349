//! Transfer of a client, for estimates.

/// Shape of a strategy's transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Upload.
    pub up: Flow,
    /// Download.
    pub down: Flow,
    /// Whether each layer is an object of its own, moved after the one before; else there is one tar or folder.
    pub by_layer: bool,
    /// Whether layers of the overlay2 store travel uncompressed.
    pub plain_on_overlay2: bool,
}

/// One direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Connections at once.
    pub connections: u32,
    /// Bytes of one request; none: one request for the whole object.
    pub block_bytes: Option<u64>,
    /// Calls of the service for each object.
    pub calls: u32,
}
