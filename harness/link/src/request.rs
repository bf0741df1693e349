//! One line of the request log.

use serde::{Deserialize, Serialize};

/// What a request was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A call of the artifact or cache service.
    Rpc,
    /// One block of a blob.
    PutBlock,
    /// The list that makes a blob of its blocks.
    PutBlockList,
    /// A whole blob at once.
    PutBlob,
    /// A blob or a range of it.
    GetBlob,
    /// A blob's properties.
    HeadBlob,
    /// Anything else.
    #[default]
    Other,
}

/// What a request meets where a profile has faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// For some seconds no byte of it moves.
    #[serde(rename = "stall")]
    Stall,
    /// Its bytes move at a part of their rate.
    #[serde(rename = "slow")]
    Slow,
    /// The connection breaks when half of its bytes have moved.
    #[serde(rename = "reset")]
    Reset,
    /// It is answered with 500.
    #[serde(rename = "500")]
    Status500,
    /// It is answered with 503.
    #[serde(rename = "503")]
    Status503,
    /// It is answered with 429.
    #[serde(rename = "429")]
    Status429,
}

/// One request as the service saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// When its head had arrived, in ns of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// When the last byte of the answer had been given to the system, same clock.
    pub end_ns: u64,
    /// What it was.
    pub kind: RequestKind,
    /// HTTP method.
    pub method: String,
    /// Path without the query: signatures are in the query, and never here.
    pub path: String,
    /// HTTP status; 0 when the connection broke before an answer.
    pub status: u16,
    /// Bytes of the request's body that arrived.
    pub bytes_up: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes_down: u64,
    /// First byte and length of the range that was sent, for a GET with a range.
    pub range: Option<(u64, u64)>,
    /// Number of the TCP connection, unique within the service.
    pub connection: u64,
    /// The connection broke before the answer was complete.
    pub broken: bool,
    /// What the profile made it meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl RequestRecord {
    /// Bytes of blobs that it carried, up and down: no calls, lists or error messages.
    pub fn payload(&self) -> (u64, u64) {
        match self.kind {
            RequestKind::PutBlock | RequestKind::PutBlob => (self.bytes_up, 0),
            RequestKind::GetBlob if self.status < 300 => (0, self.bytes_down),
            _ => (0, 0),
        }
    }
}
