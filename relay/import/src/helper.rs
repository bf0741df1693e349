//! The root helper: a child process that writes into the engine's store, and nothing else.
//!
//! Its parent keeps the job's token and the network. The helper gets layers through its standard input and answers on its
//! standard output, see [`protocol`]. It is root, so it trusts nothing of what its parent says: lengths are bounded, and
//! digests are computed from the bytes.

mod client;
mod protocol;
mod serve;
#[cfg(test)]
mod tests;
mod transfer;

pub use client::{Helper, Unavailable};
pub use protocol::HelperFacts;
pub use serve::{HelperOptions, serve, serve_helper};
pub use transfer::{BlobStream, Imported, import_image};
