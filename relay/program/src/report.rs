//! Report of a transfer as JSON, with the fields of the other clients' reports.

use handoff_model::{SpanKind, StepCount};
use handoff_storage::stream::{ClientName, write_report};
use handoff_storage::{Traffic, TransferSpan, monotonic_ns};
use serde::Serialize;

use crate::{Error, print};

/// Name and digest of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageDigest {
    /// Reference in the engine of the job.
    pub image: String,
    /// Digest of the manifest or index.
    pub digest: String,
}

/// Steps of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// Steps that were executed.
    pub executed: u64,
    /// Steps that came from a cache.
    pub cached: u64,
}

impl From<StepCount> for Steps {
    fn from(count: StepCount) -> Self {
        Self { executed: count.executed, cached: count.cached }
    }
}

/// Route by which an image came into the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Written into the engine's store.
    Import,
    /// Pulled by the engine.
    Pull,
}

/// Report of `send` or `receive`.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    client: ClientName,
    /// Spans on the machine's monotonic clock.
    pub spans: Vec<TransferSpan>,
    /// Bytes of blobs that a sender received or a receiver delivered.
    pub bytes: u64,
    /// Bytes of blobs that were already in the store.
    pub reused_bytes: u64,
    /// Number of blobs that a sender stored.
    #[serde(skip)]
    pub blobs: usize,
    /// Digest of the first image's manifest or index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Digest of the first image's config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Digests of the first image's uncompressed layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<String>>,
    /// All images.
    pub images: Vec<ImageDigest>,
    /// Requests in flight at the end.
    pub concurrency: usize,
    /// Counts of requests.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Steps of the build, if there was one whose trace could be read.
    pub steps: Option<Steps>,
    /// Origin of a sent image: `output` (the builder's push) or `push` (the engine's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// How the image came into the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<Route>,
    /// Why the image was pulled and not imported, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_reason: Option<String>,
    /// Whether the engine's image store was switched.
    pub store_switched: bool,
    /// Whether an earlier run had sent an image of this name already, so that nothing was sent.
    pub sent: bool,
    /// Reason of the failure, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the transfer was given up before any other failure.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abandoned: bool,
}

impl Report {
    /// Empty report of this program.
    pub(crate) fn new() -> Self {
        Self { client: ClientName::ours("handoff-relay"), ..Self::default() }
    }

    /// Adds a span that has ended.
    pub(crate) fn span(&mut self, name: SpanKind, detail: &str, start_ns: u64, end_ns: u64, bytes: Option<u64>) {
        let detail = detail.chars().take(120).collect();
        self.spans.push(TransferSpan { name, detail, start_ns, end_ns: end_ns.max(start_ns), bytes });
    }

    /// Adds a span that ends now.
    pub(crate) fn ended(&mut self, name: SpanKind, detail: &str, start_ns: u64) {
        self.span(name, detail, start_ns, monotonic_ns(), None);
    }

    /// Adds an image.
    pub(crate) fn image(&mut self, image: &str, digest: &str) {
        self.images.push(ImageDigest { image: image.to_owned(), digest: digest.to_owned() });
    }

    /// Prints a line for each image.
    pub(crate) fn print_images(&self) -> Result<(), Error> {
        self.images.iter().try_for_each(|i| print::data(&format!("{} {}", i.image, i.digest)))
    }

    /// Writes the report as JSON, atomically.
    ///
    /// # Errors
    /// Errors of the file system.
    pub(crate) fn write(&self, path: &std::path::Path) -> std::io::Result<()> {
        write_report(path, self)
    }
}
