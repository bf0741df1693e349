//! Client of containerd's socket, with exactly what an importer of images needs.
#![doc = include_str!("../README.md")]

mod channel;
mod daemon;
mod digest;
mod error;
pub mod fake;
mod gate;
pub mod labels;
mod name;
mod proto;
mod store;
pub mod timeouts;

pub use daemon::{Containerd, ContentWriter, Facts};
pub use digest::{ChainId, Digest};
pub use error::{Code, Error};
pub use gate::{EngineInfo, Refusal};
pub use name::full_name;
pub use store::{ActiveSnapshot, Blob, BlobWriter, Image, Lease, SnapshotState, Store};
