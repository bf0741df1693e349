//! GitHub's artifact and cache services on loopback, for unmodified clients.
//!
//! The emulator implements what `@actions/artifact`, `@actions/cache` and `BuildKit`'s gha cache use: the artifact service v4 and
//! the cache service v2 (Twirp, JSON), and signed blob URLs with the behaviour of Azure block blobs. It counts every request,
//! blob requests too, for the token of a job, so that a trial's traffic is measured independently of the client.
//!
//! [`Service`] runs the emulator inside this process. [`control`] runs it as a separate process, whose CPU time and memory
//! are measured separately.
//!
//! ```
//! use handoff_services::{Service, ServiceConfig, Stored, TokenSpec};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let service = Service::start_blocking(ServiceConfig::new(dir.path()))?;
//! let token = service.mint(TokenSpec { run: "1".into(), job: "build".into(), ..TokenSpec::default() });
//! // Start a client with these variables, then read its traffic.
//! for (name, value) in service.client_env(&token) {
//!     println!("{name}={value}");
//! }
//! assert_eq!(service.counters(&token).requests, 0);
//! # Ok(())
//! # }
//! ```

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
pub mod timeouts;
mod token;
mod usage;

pub use config::{DEFAULT_BLOB_HOST, ServiceConfig, Stored, TokenSpec};
pub use error::ServiceError;
pub use service::{Service, client_env};
