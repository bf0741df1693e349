//! Counters of one token.

use serde::{Deserialize, Serialize};

/// Traffic of one token, blob requests through its URLs included. Counts only grow, except `stored_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Requests that were answered or broke off, of any kind and status.
    pub requests: u64,
    /// Requests that were calls of the artifact or cache service.
    pub api_requests: u64,
    /// Payload received: bytes of blocks and of blobs put at once (not of block lists or calls), also of those that
    /// were refused or broke off.
    pub bytes_up: u64,
    /// Payload sent: bytes of blobs and their ranges, also of answers that broke off.
    pub bytes_down: u64,
    /// TCP connections that carried at least one of its requests.
    pub connections: u64,
    /// Artifacts and cache entries that it created and finalized.
    pub entries: u64,
    /// Cache entries that it found and had not made itself, each once: those of earlier runs.
    pub entries_found: u64,
    /// Sum of the sizes of these entries.
    pub bytes_found: u64,
    /// Requests that repeated an earlier one: the same block, the same range (or the rest of one that broke off), or a
    /// call that had failed before.
    pub retries: u64,
    /// Requests answered with a status of 400 or more, and connections that broke within one.
    pub errors: u64,
    /// Errors with status 429, by a rate limit or a fault of the profile.
    pub throttled: u64,
    /// Requests that met a fault of the profile.
    pub faults: u64,
    /// Requests refused because the token was revoked or had expired, or the URL had: something went on behind the
    /// caller's back. Also in `requests` and `errors`.
    pub refused: u64,
    /// Bytes that it stored and that are there now, committed or not.
    pub stored_bytes: u64,
    /// Requests that the bounded log no longer has.
    pub log_dropped: u64,
}
