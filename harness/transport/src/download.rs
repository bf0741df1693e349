//! An artifact becomes a stream again: in order, checked against its digest, resumed where a connection breaks.

use std::future::Future;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use handoff_model::SpanKind;
use tokio::task::JoinSet;

use crate::artifacts::{Artifact, ArtifactClient};
use crate::blob;
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::http::{Exchange, Http};
use crate::in_order::InOrder;
use crate::retry::{Patience, RetryPolicy};
use crate::sink::Sink;
use crate::spans::TransferSpan;
use crate::wire::explain;

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

/// Takes the bytes of a range in order.
pub(crate) trait Frames: Send {
    fn accept(&mut self, frame: Bytes) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Frames for Vec<Bytes> {
    async fn accept(&mut self, frame: Bytes) -> Result<(), Error> {
        self.push(frame);
        Ok(())
    }
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
        let source = Source { http: Arc::clone(&self.http), retry: self.retry, url, artifact, etag: OnceLock::new() };
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

/// A blob of known size, all of whose bytes must come from one version of it.
struct Source {
    http: Arc<Http>,
    retry: RetryPolicy,
    url: String,
    artifact: Artifact,
    etag: OnceLock<String>,
}

impl Source {
    /// Gives the bytes of `range` in order, going on where a connection broke.
    async fn fetch(&self, range: Range<u64>, frames: &mut impl Frames) -> Result<(), Error> {
        let mut patience = Patience::new(self.retry, &self.http.counters);
        let mut at = range.start;
        loop {
            let before = at;
            match self.attempt(&mut at, range.end, frames).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    if at > before {
                        patience.progress();
                    }
                    patience.after(failure).await?;
                }
            }
        }
    }

    async fn attempt(&self, at: &mut u64, end: u64, frames: &mut impl Frames) -> Result<(), Error> {
        let whole = *at == 0 && end == self.artifact.size;
        let range = (!whole).then_some((*at, end));
        let mut exchange = blob::get(&self.http, &self.url, range, self.etag.get().map(String::as_str)).await?;
        match (exchange.status(), range) {
            (200, None) => self.check_length(exchange.header("content-length"))?,
            (206, Some((from, to))) => self.check_range(exchange.header("content-range"), from, to)?,
            (412, _) => return Err(self.changed()),
            (200..=299, _) => {
                let why = format!("status {} for {range:?}", exchange.status());
                return Err(Error::Answer { what: "Get Blob", why });
            }
            _ => return Err(exchange.refused("Get Blob", explain).await),
        }
        self.check_version(&exchange)?;
        while let Some(frame) = exchange.frame().await? {
            *at += frame.len() as u64;
            frames.accept(frame).await?;
        }
        if *at != end {
            let why = format!("the body ended at byte {at} of {end}");
            return Err(Error::Broken { url: crate::error::scrub(&self.url), why });
        }
        exchange.done();
        Ok(())
    }

    fn check_length(&self, header: Option<&str>) -> Result<(), Error> {
        let length = header.and_then(|text| text.parse().ok());
        match length {
            Some(got) if got == self.artifact.size => Ok(()),
            Some(got) => Err(self.length(got)),
            None => Err(Error::Answer { what: "Get Blob", why: "it names no length".to_owned() }),
        }
    }

    fn check_range(&self, header: Option<&str>, from: u64, to: u64) -> Result<(), Error> {
        let odd =
            || Error::Answer { what: "Get Blob", why: format!("range {header:?} where {from}-{} is due", to - 1) };
        let (first, last, total) = header.and_then(content_range).ok_or_else(odd)?;
        if total != self.artifact.size {
            return Err(self.length(total));
        }
        if (first, last) != (from, to - 1) {
            return Err(odd());
        }
        Ok(())
    }

    fn check_version(&self, exchange: &Exchange<'_>) -> Result<(), Error> {
        let Some(etag) = exchange.header("etag") else {
            return Err(Error::Answer { what: "Get Blob", why: "it names no etag".to_owned() });
        };
        if self.etag.get_or_init(|| etag.to_owned()) == etag { Ok(()) } else { Err(self.changed()) }
    }

    fn length(&self, got: u64) -> Error {
        Error::Length { name: self.artifact.name.clone(), expected: self.artifact.size, got }
    }

    fn changed(&self) -> Error {
        Error::Changed { name: self.artifact.name.clone() }
    }
}

/// `bytes 0-9/100` as first, last and total.
fn content_range(header: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

/// Ranges in parallel, handed on in order; a range begins only when there is room for it.
async fn fetch_ranges(source: Arc<Source>, plan: &DownloadPlan, sink: &mut Sink) -> Result<(), Error> {
    let size = source.artifact.size;
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
    use proptest::prelude::*;

    #[test]
    fn plans_that_cannot_work_are_refused() {
        assert!(check(&DownloadPlan { ranges: 0, range_bytes: 1 }).is_err());
        assert!(check(&DownloadPlan { ranges: 1, range_bytes: 0 }).is_err());
        check(&DownloadPlan::default()).unwrap();
    }

    proptest! {
        #[test]
        fn content_ranges_are_read_back(first: u64, last: u64, total: u64) {
            prop_assert_eq!(content_range(&format!("bytes {first}-{last}/{total}")), Some((first, last, total)));
        }

        #[test]
        fn any_content_range_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = content_range(&text);
        }
    }
}
