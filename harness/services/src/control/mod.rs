//! The service as a process of its own: JSON lines in, one JSON line out for each.
//!
//! The first line out is `{"ready":{"url":"http://127.0.0.1:PORT/","addr":"127.0.0.1:PORT"}}`. A line in is one
//! [`Request`]; its answer is `{"ok":VALUE}` or `{"error":"..."}`. The end of the input ends the service and deletes
//! what it stored: a service never outlives the program that started it.

mod client;
mod serve;

use serde::{Deserialize, Serialize};

pub use client::Client;
pub use serve::serve;

use crate::config::TokenSpec;

/// One request line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Answers with a token.
    Mint(TokenSpec),
    /// Answers with whether the token is one of this service.
    Revoke(OfToken),
    /// Answers with [`handoff_model::Counters`].
    Counters(OfToken),
    /// Answers with a list of [`crate::RequestRecord`].
    Log(OfToken),
    /// Deletes what a run stored; answers with null.
    Purge(OfRun),
    /// Forgets what counts against limits of time; answers with null.
    Rest(Nothing),
    /// Answers with the bytes that a run has stored.
    StoredBytes(OfRun),
    /// Answers with [`handoff_model::ServiceUsage`].
    Usage(Nothing),
    /// Ends the service once the answer (null) is out.
    Shutdown(Nothing),
}

/// The token that a request is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfToken {
    /// As minted.
    pub token: String,
}

/// The run that a request is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfRun {
    /// As in [`TokenSpec::run`].
    pub run: String,
}

/// `{}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

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
