//! Blob at the store, read by ranges.

use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tokio::sync::Mutex;

use crate::attempts::Calls;
use crate::blob::{self, LINK_ATTEMPTS};
use crate::cache_calls::CacheCalls;
use crate::error::Error;
use crate::http::{Exchange, Http};
use crate::wire::{Artifact, parse_error_body};

/// Receiver of the bytes of a range, in order.
pub(crate) trait Frames: Send {
    fn accept(&mut self, frame: Bytes) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Frames for Vec<Bytes> {
    async fn accept(&mut self, frame: Bytes) -> Result<(), Error> {
        self.push(frame);
        Ok(())
    }
}

impl Frames for BytesMut {
    async fn accept(&mut self, frame: Bytes) -> Result<(), Error> {
        self.extend_from_slice(&frame);
        Ok(())
    }
}

/// Source of download links.
#[derive(Debug)]
pub(crate) enum DownloadSource {
    /// An artifact.
    Artifact(Calls, Artifact),
    /// The cache entry of a key.
    Entry(CacheCalls, String),
}

impl DownloadSource {
    fn http(&self) -> &Http {
        match self {
            Self::Artifact(calls, _) => &calls.twirp.http,
            Self::Entry(calls, _) => &calls.twirp.http,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Artifact(_, artifact) => &artifact.name,
            Self::Entry(_, key) => key,
        }
    }

    async fn link(&self) -> Result<String, Error> {
        match self {
            Self::Artifact(calls, artifact) => calls.signed_url(artifact).await,
            Self::Entry(calls, key) => calls.link(key).await,
        }
    }
}

/// Blob of known size. All its bytes must come from one version, also where they come by several links.
#[derive(Debug)]
pub struct RemoteBlob {
    source: DownloadSource,
    /// Link, and its number.
    link: Mutex<(Arc<str>, u64)>,
    size: u64,
    etag: OnceLock<String>,
}

impl RemoteBlob {
    pub(crate) fn new(source: DownloadSource, url: String, size: u64) -> Self {
        Self { source, link: Mutex::new((url.into(), 0)), size, etag: OnceLock::new() }
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads a range into one buffer. A broken connection is resumed at the next byte.
    ///
    /// The bytes are copied, because the buffers of a socket are partly empty: many kept ranges would take twice their size.
    ///
    /// # Errors
    /// Errors of the store after all retries; [`Error::Changed`] and [`Error::Length`] when the blob was replaced.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut whole = BytesMut::with_capacity((range.end - range.start) as usize);
        self.fetch(range, &mut whole).await?;
        Ok(whole.freeze())
    }

    /// Delivers the bytes of `range` in order; resumes where a connection broke or a link ended.
    pub(crate) async fn fetch(&self, range: Range<u64>, frames: &mut impl Frames) -> Result<(), Error> {
        let mut backoff = self.source.http().backoff();
        let (mut at, mut refused) = (range.start, 0);
        loop {
            let before = at;
            let (url, number) = self.link.lock().await.clone();
            let Err(failure) = self.attempt(&url, &mut at, range.end, frames).await else { return Ok(()) };
            if at > before {
                backoff.progress();
                refused = 0;
            }
            if failure.refuses_link() && refused < LINK_ATTEMPTS {
                refused += 1;
                self.renew(number).await?;
                if refused > 1 {
                    backoff.again(failure).await?;
                }
            } else {
                backoff.after(failure).await?;
            }
        }
    }

    /// Asks for a new link in place of a refused one, once for all ranges that it was refused to.
    async fn renew(&self, number: u64) -> Result<(), Error> {
        let mut link = self.link.lock().await;
        if link.1 == number {
            *link = (self.source.link().await?.into(), number + 1);
        }
        Ok(())
    }

    async fn attempt(&self, url: &str, at: &mut u64, end: u64, frames: &mut impl Frames) -> Result<(), Error> {
        let whole = *at == 0 && end == self.size;
        let range = (!whole).then_some((*at, end));
        let etag = self.etag.get().map(String::as_str);
        let mut exchange = blob::get(self.source.http(), url, range, etag).await?;
        match (exchange.status(), range) {
            // Without an ETag it is not the store that answers.
            (200, None) if exchange.header("etag").is_some() => self.check_length(exchange.header("content-length"))?,
            (206, Some((from, to))) => self.check_range(exchange.header("content-range"), from, to)?,
            (412, _) => return Err(self.changed()),
            (200..=299, _) => return Err(exchange.foreign("Get Blob").await),
            _ => return Err(exchange.refused("Get Blob", parse_error_body).await),
        }
        self.check_version(&exchange)?;
        while let Some(frame) = exchange.frame().await? {
            *at += frame.len() as u64;
            frames.accept(frame).await?;
        }
        if *at != end {
            let why = format!("the body ended at byte {at} of {end}");
            return Err(Error::Broken { url: crate::error::without_query(url), why });
        }
        exchange.release();
        Ok(())
    }

    fn check_length(&self, header: Option<&str>) -> Result<(), Error> {
        let length = header.and_then(|text| text.parse().ok());
        match length {
            Some(got) if got == self.size => Ok(()),
            Some(got) => Err(self.length(got)),
            None => Err(Error::answer("Get Blob", "the answer has no Content-Length")),
        }
    }

    fn check_range(&self, header: Option<&str>, from: u64, to: u64) -> Result<(), Error> {
        let unexpected = || Error::answer("Get Blob", format!("range {header:?} instead of {from}-{}", to - 1));
        let (first, last, total) = header.and_then(content_range).ok_or_else(unexpected)?;
        if total != self.size {
            return Err(self.length(total));
        }
        if (first, last) == (from, to - 1) { Ok(()) } else { Err(unexpected()) }
    }

    fn check_version(&self, exchange: &Exchange<'_>) -> Result<(), Error> {
        let Some(etag) = exchange.header("etag") else {
            return Err(Error::answer("Get Blob", "the answer has no ETag"));
        };
        if self.etag.get_or_init(|| etag.to_owned()) == etag { Ok(()) } else { Err(self.changed()) }
    }

    fn length(&self, got: u64) -> Error {
        Error::Length { name: self.source.name().to_owned(), expected: self.size, got }
    }

    fn changed(&self) -> Error {
        Error::Changed(self.source.name().to_owned())
    }
}

/// Gets the size of a blob from the answer to a request for its first byte.
pub(crate) async fn blob_size(http: &Http, url: &str) -> Result<u64, Error> {
    let exchange = blob::get(http, url, Some((0, 1)), None).await?;
    if exchange.status() != 206 {
        if (200..=299).contains(&exchange.status()) {
            return Err(exchange.foreign("Get Blob").await);
        }
        return Err(exchange.refused("Get Blob", parse_error_body).await);
    }
    let total = exchange.header("content-range").and_then(content_range).map(|(_, _, total)| total);
    exchange.body().await?;
    total.ok_or_else(|| Error::answer("Get Blob", "the answer has no size in Content-Range"))
}

/// Parses `bytes 0-9/100` into first, last and total.
fn content_range(header: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn content_range_is_parsed(first: u64, last: u64, total: u64) {
            prop_assert_eq!(content_range(&format!("bytes {first}-{last}/{total}")), Some((first, last, total)));
        }

        #[test]
        fn parsing_any_content_range_never_panics(text in "\\PC{0,40}") {
            let _ = content_range(&text);
        }
    }
}
