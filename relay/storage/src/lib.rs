//! Our own clients of GitHub's artifact service: blocks up, ranges down, streams in order.
//!
//! `zstd-stream` moves an image as a stream that never becomes a file, which no npm client can do; this crate is that
//! stream's two ends. It shares no logic with the service it talks to or with the npm clients, so that a mistake here
//! cannot cancel itself out there.
//!
//! - [`ArtifactClient`] speaks to the service; [`ServiceEndpoint::from_env`] says where it is.
//! - [`ArtifactClient::upload_stream`] and [`ArtifactClient::download_stream`] move a stream with bounded memory.
//! - [`stream`] is both as the ends of a shell pipe, with a report for the journal.
//!
//! Services on loopback are spoken to in the clear, GitHub's by TLS: see [`Error::NotTrusted`] for whom it trusts.

mod artifacts;
mod blob;
mod buffers;
mod caches;
mod clock;
mod concurrency;
mod digest;
mod download;
mod endpoint;
mod error;
mod gate;
mod http;
mod in_order;
mod remote;
mod retry;
mod sink;
mod spans;
pub mod stream;
mod tls;
mod token;
mod twirp;
mod upload;
mod wire;

pub use artifacts::{ArtifactClient, ArtifactTarget, FORBIDDEN_IN_NAMES};
pub use blob::{BlobWriter, MAX_BLOCKS};
pub use buffers::{Block, BufferPool};
pub use caches::{CacheClient, CacheEntry};
pub use clock::monotonic_ns;
pub use concurrency::{AdaptiveConcurrency, RequestSlot};
pub use download::{DownloadOutcome, DownloadPlan};
pub use endpoint::ServiceEndpoint;
pub use error::Error;
pub use gate::{COMMIT, Gate};
pub use in_order::{InOrder, Unexpected};
pub use remote::RemoteBlob;
pub use retry::{Counters, RetryPolicy};
pub use spans::TransferSpan;
pub use token::BackendIds;
pub use upload::{UploadOutcome, UploadPlan};
pub use wire::Artifact;
