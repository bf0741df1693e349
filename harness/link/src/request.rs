//! Record of a request in the log of a service.

use serde::{Deserialize, Serialize};

/// Kind of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Call of the artifact or cache service.
    Rpc,
    /// Put Block.
    PutBlock,
    /// Put Block List.
    PutBlockList,
    /// Put Blob.
    PutBlob,
    /// Get Blob, whole or a range.
    GetBlob,
    /// Get Blob Properties.
    HeadBlob,
    /// Any other request.
    #[default]
    Other,
}

/// Injected fault of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// No byte moves for some seconds.
    #[serde(rename = "stall")]
    Stall,
    /// The bytes move at a fraction of their rate.
    #[serde(rename = "slow")]
    Slow,
    /// The connection breaks after half of the bytes.
    #[serde(rename = "reset")]
    Reset,
    /// The answer is 500.
    #[serde(rename = "500")]
    Status500,
    /// The answer is 503.
    #[serde(rename = "503")]
    Status503,
    /// The answer is 429.
    #[serde(rename = "429")]
    Status429,
}

/// One request as measured by the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Arrival of the head, in ns of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// Time at which the last byte of the answer was passed to the system, same clock.
    pub end_ns: u64,
    /// Kind.
    pub kind: RequestKind,
    /// HTTP method.
    pub method: String,
    /// Path without the query, which holds the signature.
    pub path: String,
    /// HTTP status; 0 when the connection broke before an answer.
    pub status: u16,
    /// Received bytes of the request's body.
    pub bytes_up: u64,
    /// Sent bytes of the answer's body.
    pub bytes_down: u64,
    /// First byte and length of the sent range, for a GET with a range.
    pub range: Option<(u64, u64)>,
    /// Number of the TCP connection, unique within the service.
    pub connection: u64,
    /// Whether the connection broke before the answer was complete.
    pub broken: bool,
    /// Injected fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl RequestRecord {
    /// Bytes of blobs up and down, without calls, lists and error messages.
    pub fn payload(&self) -> (u64, u64) {
        match self.kind {
            RequestKind::PutBlock | RequestKind::PutBlob => (self.bytes_up, 0),
            RequestKind::GetBlob if self.status < 300 => (0, self.bytes_down),
            _ => (0, 0),
        }
    }
}
