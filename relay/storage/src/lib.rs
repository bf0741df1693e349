//! Clients of GitHub's artifact and cache services: parallel blocks up, parallel ranges down, streams in order.
//!
//! The strategy `zstd-stream` moves an image as a stream that never becomes a file, which no npm client can do. This crate
//! uploads and downloads that stream. It shares no logic with the emulated service or the npm clients, so that one mistake
//! cannot hide on both sides.
//!
//! - [`ArtifactClient`] and [`CacheClient`] call the services; [`ServiceEndpoint::from_env`] reads their address.
//! - [`ArtifactClient::upload_stream`] and [`ArtifactClient::download_stream`] move a stream with bounded memory.
//! - [`stream`] connects both to a shell pipe and writes a report.
//!
//! Signed links end, answers are lost, gateways answer in the service's place, proxies are in between: [`ArtifactClient::create`]
//! and [`RemoteBlob`] say what the client does then, [`timeouts`] how long it waits.
//!
//! A service on loopback is called without TLS, GitHub's with TLS. [`Error::NotTrusted`] reports an unknown certificate.
//!
//! ```no_run
//! use std::io::Cursor;
//!
//! use handoff_storage::{ArtifactClient, ArtifactTarget, DownloadPlan, Error, ServiceEndpoint, UploadPlan};
//!
//! # async fn round_trip() -> Result<(), Error> {
//! let client = ArtifactClient::new(ServiceEndpoint::from_env()?)?;
//! let target = ArtifactTarget::zstd("image");
//! // The last argument reports whether the producer of the stream succeeded.
//! let sent = client.upload_stream(Cursor::new(b"data"), &target, &UploadPlan::default(), || Ok(())).await?;
//! let received = client.download_stream("image", std::io::sink(), &DownloadPlan::default()).await?;
//! assert_eq!(sent.sha256, received.sha256);
//! # Ok(())
//! # }
//! ```

mod artifacts;
mod attempts;
mod blob;
mod buffers;
mod cache_calls;
mod caches;
mod clock;
mod concurrency;
mod dial;
mod digest;
mod download;
mod endpoint;
mod error;
mod gate;
mod http;
mod in_order;
mod page;
mod proxy;
mod pulse;
mod remote;
mod retry;
mod sink;
mod spans;
pub mod stream;
mod target;
pub mod timeouts;
mod tls;
mod token;
mod twirp;
mod upload;
mod wire;

pub use artifacts::{ArtifactClient, ArtifactUpload};
pub use blob::{BlobWriter, MAX_BLOCKS};
pub use buffers::{Block, BufferPool};
pub use cache_calls::CacheEntry;
pub use caches::CacheClient;
pub use clock::monotonic_ns;
pub use concurrency::{AdaptiveConcurrency, RequestSlot};
pub use download::{DownloadOutcome, DownloadPlan};
pub use endpoint::ServiceEndpoint;
pub use error::Error;
pub use gate::{COMMIT, Gate};
pub use in_order::{InOrder, Unexpected};
pub use pulse::{Limits, on_silence};
pub use remote::RemoteBlob;
pub use retry::{Counters, RetryPolicy, Traffic};
pub use spans::TransferSpan;
pub use target::{ArtifactTarget, FORBIDDEN_IN_NAMES};
pub use token::BackendIds;
pub use upload::{UploadOutcome, UploadPlan};
pub use wire::Artifact;
