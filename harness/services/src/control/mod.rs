//! The service as a process of its own: JSON lines in, one JSON line out for each.
//!
//! The first line out is `{"ready":{"url":"http://127.0.0.1:PORT/","addr":"127.0.0.1:PORT"}}`. A line in is one
//! `Request`; its answer is `{"ok":VALUE}` or `{"error":"..."}`. The end of the input ends the service and deletes
//! what it stored: a service never outlives the program that started it.

mod client;
mod serve;

use serde::{Deserialize, Serialize};

pub use client::Client;
pub use serve::serve;

use crate::config::TokenSpec;

/// One request line: a token is as minted, a run as in [`TokenSpec::run`].
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
    /// Deletes what a run stored; answers with null.
    Purge { run: String },
    /// Forgets what counts against limits of time; answers with null.
    Rest {},
    /// Answers with the bytes that a run has stored.
    StoredBytes { run: String },
    /// Answers with [`handoff_model::ServiceUsage`].
    Usage {},
    /// Ends the service once the answer (null) is out.
    Shutdown {},
}

/// The first line out.
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

/// Every other line out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(serde_json::Value),
    Error(String),
}
