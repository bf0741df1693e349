//! An artifact becomes a stream again: in order, checked against its digest, resumed where a connection breaks.

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

/// How an artifact is fetched. Memory: a few megabytes with one range, else `2 * ranges * range_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadPlan {
    /// 1: one GET of the whole. More: that many GETs of ranges at once.
    pub ranges: usize,
    /// Bytes of a range, where there is more than one.
    pub range_bytes: u64,
}

impl Default for DownloadPlan {
    /// One GET, as the streaming client that the spike names.
    fn default() -> Self {
        Self { ranges: 1, range_bytes: 8 << 20 }
    }
}

/// What a download did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadOutcome {
    /// Bytes handed on.
    pub bytes: u64,
    /// Their digest in hex: the listed one.
    pub sha256: String,
    /// The service's number for the artifact.
    pub artifact_id: u64,
    /// Operations that had to be repeated, broken connections included.
    pub retries: u64,
    /// When what happened: resolve (list, sign) and download.
    pub spans: Vec<TransferSpan>,
}

impl ArtifactClient {
    /// Writes the artifact `name` to `writer`, on a thread of its own.
    ///
    /// The last bytes are held back until the digest of all of them is known to be the listed one: what reads the
    /// stream sees it cut short, not complete, when the artifact is damaged.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Length`], [`Error::Digest`], [`Error::Changed`], [`Error::Writer`], and whatever
    /// the services answer after all retries.
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
            why: format!("artifact {name:?} has no digest: its content could not be checked"),
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
    if !(1..=256).contains(&plan.ranges) {
        return Err(Error::BadPlan { what: "the number of ranges", expected: "from 1 to 256" });
    }
    match plan.range_bytes {
        0 => Err(Error::BadPlan { what: "the size of a range", expected: "at least 1 byte" }),
        _ => Ok(()),
    }
}

/// Ranges in parallel, handed on in order; a range begins only when there is room for it.
async fn fetch_ranges(source: Arc<RemoteBlob>, plan: &DownloadPlan, sink: &mut Sink) -> Result<(), Error> {
    let size = source.size();
    let parts = size.div_ceil(plan.range_bytes);
    let mut order = InOrder::new(plan.ranges * 2);
    let mut flying = JoinSet::new();
    let mut begun = 0;
    while order.given() < parts {
        while begun < parts && flying.len() < plan.ranges && order.admits(begun) {
            let (source, index, first) = (Arc::clone(&source), begun, begun * plan.range_bytes);
            let range = first..size.min(first + plan.range_bytes);
            flying.spawn(async move {
                let mut frames = Vec::new();
                source.fetch(range, &mut frames).await.map(|()| (index, frames))
            });
            begun += 1;
        }
        let Some(done) = flying.join_next().await else { break };
        let failed = |why: String| Error::Answer { what: "fetching a range", why };
        let (index, frames) = done.map_err(|e| failed(e.to_string()))??;
        order.put(index, frames).map_err(|e| failed(e.to_string()))?;
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
    fn plans_that_cannot_work_are_refused() {
        assert!(check(&DownloadPlan { ranges: 0, range_bytes: 1 }).is_err());
        assert!(check(&DownloadPlan { ranges: 1, range_bytes: 0 }).is_err());
        check(&DownloadPlan::default()).unwrap();
    }
}
