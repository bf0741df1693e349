//! GitHub's artifact and cache services on loopback, for unmodified clients.
//!
//! Three things are spoken, as far as `@actions/artifact`, `@actions/cache` and `BuildKit`'s gha cache use them: the
//! artifact service v4 and the cache service v2 (Twirp, JSON), and signed blob URLs that behave like Azure block blobs.
//! Every request is counted for the token that it belongs to, blob requests too, so that a trial's traffic is known
//! from the side that the client cannot color.
//!
//! [`Service`] runs it inside this process; [`control`] as a process of its own, whose CPU time and memory are then
//! known apart from everything else.

mod account;
mod api;
mod blob;
mod catalog;
mod clock;
mod config;
pub mod control;
mod crypto;
mod error;
mod http;
mod link;
mod service;
mod state;
mod token;
mod usage;

pub use config::{DEFAULT_BLOB_HOST, ServiceConfig, TokenSpec};
pub use error::ServiceError;
pub use service::{Service, client_env};
