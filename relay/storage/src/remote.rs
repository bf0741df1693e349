//! A blob at the store, read by ranges.

use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::blob;
use crate::error::Error;
use crate::http::{Exchange, Http};
use crate::wire::explain;

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

impl Frames for BytesMut {
    async fn accept(&mut self, frame: Bytes) -> Result<(), Error> {
        self.extend_from_slice(&frame);
        Ok(())
    }
}

/// A blob of known size, all of whose bytes must come from one version of it.
#[derive(Debug)]
pub struct RemoteBlob {
    http: Arc<Http>,
    url: String,
    name: String,
    size: u64,
    etag: OnceLock<String>,
}

impl RemoteBlob {
    pub(crate) fn new(http: Arc<Http>, url: String, name: String, size: u64) -> Self {
        Self { http, url, name, size, etag: OnceLock::new() }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range in one piece; a broken connection is resumed, not begun again.
    ///
    /// They are copied: what a socket gives holds on to buffers of which it fills a part, and who keeps many ranges would
    /// keep twice their bytes.
    ///
    /// # Errors
    /// What the store answers after all retries; [`Error::Changed`] and [`Error::Length`] when it is another blob.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut whole = BytesMut::with_capacity((range.end - range.start) as usize);
        self.fetch(range, &mut whole).await?;
        Ok(whole.freeze())
    }

    /// Gives the bytes of `range` in order, going on where a connection broke.
    pub(crate) async fn fetch(&self, range: Range<u64>, frames: &mut impl Frames) -> Result<(), Error> {
        let mut backoff = self.http.backoff();
        let mut at = range.start;
        loop {
            let before = at;
            match self.attempt(&mut at, range.end, frames).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    if at > before {
                        backoff.progress();
                    }
                    backoff.after(failure).await?;
                }
            }
        }
    }

    async fn attempt(&self, at: &mut u64, end: u64, frames: &mut impl Frames) -> Result<(), Error> {
        let whole = *at == 0 && end == self.size;
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
            Some(got) if got == self.size => Ok(()),
            Some(got) => Err(self.length(got)),
            None => Err(Error::Answer { what: "Get Blob", why: "it names no length".to_owned() }),
        }
    }

    fn check_range(&self, header: Option<&str>, from: u64, to: u64) -> Result<(), Error> {
        let odd =
            || Error::Answer { what: "Get Blob", why: format!("range {header:?} where {from}-{} is due", to - 1) };
        let (first, last, total) = header.and_then(content_range).ok_or_else(odd)?;
        if total != self.size {
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
        Error::Length { name: self.name.clone(), expected: self.size, got }
    }

    fn changed(&self) -> Error {
        Error::Changed(self.name.clone())
    }
}

/// Asks for the first byte of a blob: the answer names the size of all of it.
pub(crate) async fn size_of(http: &Http, url: &str) -> Result<u64, Error> {
    let exchange = blob::get(http, url, Some((0, 1)), None).await?;
    if !matches!(exchange.status(), 200 | 206) {
        return Err(exchange.refused("Get Blob", explain).await);
    }
    let total = exchange.header("content-range").and_then(content_range).map(|(_, _, total)| total);
    exchange.body().await?;
    total.ok_or_else(|| Error::Answer { what: "Get Blob", why: "it names no size".to_owned() })
}

/// `bytes 0-9/100` as first, last and total.
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
        fn content_ranges_are_read_back(first: u64, last: u64, total: u64) {
            prop_assert_eq!(content_range(&format!("bytes {first}-{last}/{total}")), Some((first, last, total)));
        }

        #[test]
        fn any_content_range_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = content_range(&text);
        }
    }
}
