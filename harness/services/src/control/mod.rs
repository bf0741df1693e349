//! Service as a separate process, controlled by JSON lines: one answer for each request.
//!
//! The first line of the output is `{"ready":{"url":"http://127.0.0.1:PORT/","addr":"127.0.0.1:PORT"}}`. Each line of the input is
//! one `Request`; its answer is `{"ok":VALUE}` or `{"error":"..."}`. The end of the input ends the service and deletes its
//! store, so that a service never outlives the program that started it.

mod client;
mod serve;

use serde::{Deserialize, Serialize};

pub use client::Client;
pub use serve::serve;

use crate::config::{Stored, TokenSpec};

/// Request line. A run is as in [`TokenSpec::run`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Answers with a token.
    Mint(TokenSpec),
    /// Answers with whether the token is one of this service.
    Revoke { token: String },
    /// Answers with [`handoff_model::Counters`].
    Counters { token: String },
    /// Answers with a list of [`crate::RequestRecord`].
    Log { token: String },
    /// Deletes the data of a run; answers with null.
    Purge { run: String },
    /// Deletes an artifact or cache entry; answers with the number of deleted ones.
    Delete(Stored),
    /// Deletes a blob alone; answers with the number of deleted ones.
    DeleteBlob(Stored),
    /// Answers with the keys of the finalized cache entries of a run.
    CacheKeys { run: String },
    /// Resets the rate limits; answers with null.
    #[serde(rename = "rest")]
    ResetRateLimits {},
    /// Answers with the stored bytes of a run.
    StoredBytes { run: String },
    /// Answers with [`handoff_model::ServiceUsage`].
    Usage {},
    /// Ends the service after the answer (null).
    Shutdown {},
}

/// First line of the output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hello {
    Ready(Ready),
    // The service cannot start.
    Error(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ready {
    url: String,
    addr: std::net::SocketAddr,
}

/// Every other line of the output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(serde_json::Value),
    Error(String),
}
