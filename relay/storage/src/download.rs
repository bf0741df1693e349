//! Download of an artifact as a stream: in order, verified by digest, resumed where a connection breaks.

use std::io::Write;
use std::sync::Arc;

use handoff_model::SpanKind;
use tokio::task::JoinSet;

use crate::artifacts::ArtifactClient;
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::in_order::InOrder;
use crate::remote::{Frames, RemoteBlob};
use crate::sink::Sink;
use crate::spans::TransferSpan;

/// Ranges of a download. Memory: a few megabytes with one range, else `2 * ranges * range_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadPlan {
    /// Number of parallel GETs; 1 is one GET of the whole.
    pub ranges: usize,
    /// Size of a range in bytes, with more than one range.
    pub range_bytes: u64,
}

impl Default for DownloadPlan {
    /// One GET, as the streaming client in `docs/spike.md`.
    fn default() -> Self {
        Self { ranges: 1, range_bytes: 8 << 20 }
    }
}

/// Result of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadOutcome {
    /// Bytes written.
    pub bytes: u64,
    /// SHA-256 digest in hex, equal to the listed one.
    pub sha256: String,
    /// Number of the artifact.
    pub artifact_id: u64,
    /// Retries of operations, including resumed ranges.
    pub retries: u64,
    /// Spans: resolve (list, sign) and download.
    pub spans: Vec<TransferSpan>,
}

impl ArtifactClient {
    /// Writes the artifact `name` to `writer`, on a separate thread.
    ///
    /// The last bytes are held back until the digest of the whole is verified. So the reader of a damaged artifact sees a
    /// truncated stream, not a complete one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Length`], [`Error::Digest`], [`Error::Changed`], [`Error::Writer`], and errors of
    /// the services after all retries.
    pub async fn download_stream<W>(&self, name: &str, writer: W, plan: &DownloadPlan) -> Result<DownloadOutcome, Error>
    where
        W: Write + Send + 'static,
    {
        check(plan)?;
        let retries_before = self.counters().retries();
        let mut spans = Vec::with_capacity(3);
        let start = monotonic_ns();
        let artifact = self.find(name).await?;
        spans.push(TransferSpan::ended(SpanKind::Resolve, "ListArtifacts", start, None));
        let expected = artifact.digest.clone().ok_or(Error::Answer {
            what: "ListArtifacts",
            why: format!("artifact {name:?} has no digest, so its content cannot be verified: upload it with a client that sends one"),
        })?;
        let start = monotonic_ns();
        let url = self.signed_url(&artifact).await?;
        spans.push(TransferSpan::ended(SpanKind::Resolve, "GetSignedArtifactURL", start, None));

        let start = monotonic_ns();
        let (size, id) = (artifact.size, artifact.database_id);
        let source = self.reader(&artifact, url);
        let mut sink = Sink::start(writer)?;
        let fetched = match plan.ranges {
            1 => source.fetch(0..size, &mut sink).await,
            _ => fetch_ranges(Arc::new(source), plan, &mut sink).await,
        };
        let sha256 = sink.finish(fetched, name, &expected).await?;
        spans.push(TransferSpan::ended(SpanKind::Download, format!("{} ranges", plan.ranges), start, Some(size)));
        let retries = self.counters().retries() - retries_before;
        Ok(DownloadOutcome { bytes: size, sha256, artifact_id: id, retries, spans })
    }
}

fn check(plan: &DownloadPlan) -> Result<(), Error> {
    Error::check_range((1..=256).contains(&plan.ranges), "the number of ranges", "from 1 to 256")?;
    Error::check_range(plan.range_bytes > 0, "the size of a range", "at least 1 byte")
}

/// Fetches ranges in parallel and delivers them in order. A range starts only when the window has room for it.
async fn fetch_ranges(source: Arc<RemoteBlob>, plan: &DownloadPlan, sink: &mut Sink) -> Result<(), Error> {
    let size = source.size();
    let parts = size.div_ceil(plan.range_bytes);
    let mut order = InOrder::new(plan.ranges * 2);
    let mut fetches = JoinSet::new();
    let mut started = 0;
    while order.taken() < parts {
        while started < parts && fetches.len() < plan.ranges && order.has_room_for(started) {
            let (source, index, first) = (Arc::clone(&source), started, started * plan.range_bytes);
            let range = first..size.min(first + plan.range_bytes);
            fetches.spawn(async move {
                let mut frames = Vec::new();
                source.fetch(range, &mut frames).await.map(|()| (index, frames))
            });
            started += 1;
        }
        let Some(done) = fetches.join_next().await else { break };
        let (index, frames) = done.map_err(|e| Error::answer("fetching a range", e.to_string()))??;
        order.put(index, frames).map_err(|e| Error::answer("fetching a range", e.to_string()))?;
        while let Some(frames) = order.pop() {
            for frame in frames {
                sink.accept(frame).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn download_plan_outside_the_limits_is_refused() {
        assert!(check(&DownloadPlan { ranges: 0, range_bytes: 1 }).is_err());
        assert!(check(&DownloadPlan { ranges: 1, range_bytes: 0 }).is_err());
        check(&DownloadPlan::default()).unwrap();
    }
}
