//! Blob store behind signed URLs: put blocks, commit their order, get ranges.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::sync::Mutex;

use crate::attempts::Calls;
use crate::cache_calls::CacheCalls;
use crate::error::Error;
use crate::http::{Exchange, Http};
use crate::retry::{Backoff, random_u64};
use crate::target::ArtifactTarget;
use crate::twirp::{Twirp, USER_AGENT};
use crate::wire::parse_error_body;

/// Largest number of blocks of a blob.
pub const MAX_BLOCKS: u32 = 50_000;
/// Protocol version of the blob store.
const API_VERSION: &str = "2024-11-04";
/// Attempts with a refused link in a row, each with a new link where there can be one.
pub(crate) const LINK_ATTEMPTS: u32 = 3;

/// Source of upload links.
#[derive(Debug)]
pub(crate) enum UploadSource {
    /// An artifact.
    Artifact(Calls, ArtifactTarget),
    /// A cache entry.
    Entry(CacheCalls),
}

/// Writer of a blob whose blocks may be sent in any order. The list at the end orders them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobWriter(Arc<WriterState>);

#[derive(Debug)]
struct WriterState {
    twirp: Arc<Twirp>,
    source: UploadSource,
    nonce: u64,
    link: Mutex<Link>,
}

/// Link to the blob, and what is stored behind it.
#[derive(Debug)]
struct Link {
    name: String,
    url: Arc<str>,
    /// Number of the reservation.
    number: u64,
    /// Blocks that were stored behind it.
    accepted: u64,
}

impl BlobWriter {
    pub(crate) fn new(twirp: Arc<Twirp>, source: UploadSource, name: String, url: String) -> Self {
        let link = Mutex::new(Link { name, url: url.into(), number: 0, accepted: 0 });
        Self(Arc::new(WriterState { twirp, source, nonce: random_u64(), link }))
    }

    /// Name or key under which the blob is reserved now.
    pub(crate) async fn name(&self) -> String {
        self.0.link.lock().await.name.clone()
    }

    /// Sends a block under the number `index`, with retries.
    ///
    /// # Errors
    /// Errors of the store after all retries; [`Error::TooManyBlocks`] beyond [`MAX_BLOCKS`]; [`Error::LinkEnded`].
    pub async fn put(&self, index: u32, bytes: Bytes) -> Result<(), Error> {
        if index >= MAX_BLOCKS {
            return Err(Error::TooManyBlocks { limit: MAX_BLOCKS, block_bytes: bytes.len() });
        }
        let query = format!("comp=block&blockid={}", block_id(self.0.nonce, index));
        self.0.send("Put Block", &query, None, bytes).await
    }

    /// Commits the blocks of `order` as the blob's content.
    ///
    /// # Errors
    /// Errors of the store after all retries; [`Error::LinkEnded`].
    pub async fn commit(&self, order: impl IntoIterator<Item = u32>, mime: &str) -> Result<(), Error> {
        let list = Bytes::from(block_list(self.0.nonce, order));
        self.0.send("Put Block List", "comp=blocklist", Some(mime), list).await
    }
}

impl WriterState {
    async fn send(&self, what: &'static str, query: &str, mime: Option<&str>, body: Bytes) -> Result<(), Error> {
        let http = &self.twirp.http;
        let mut backoff = http.backoff();
        let mut refused = 0;
        loop {
            let (url, number) = {
                let link = self.link.lock().await;
                (with_query(&link.url, query), link.number)
            };
            match put(http, what, &url, mime, body.clone()).await {
                Ok(()) => {
                    let mut link = self.link.lock().await;
                    if link.number == number {
                        link.accepted += 1;
                        return Ok(());
                    }
                    // Stored behind a link that was given up meanwhile: once more, behind the new one.
                }
                Err(failure) if has_ended(&failure) => {
                    refused += 1;
                    self.renew(number, refused, failure, &mut backoff).await?;
                }
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    /// Takes a new reservation in place of a refused link. One that holds blocks cannot be replaced, because the sender has
    /// them no more and the service gives no second link to them: it is tried again, since stores refuse good links at times.
    async fn renew(&self, number: u64, refused: u32, failure: Error, backoff: &mut Backoff<'_>) -> Result<(), Error> {
        let mut link = self.link.lock().await;
        if link.number != number {
            return Ok(());
        }
        if refused >= LINK_ATTEMPTS && !is_expired(&link.url) {
            return Err(failure);
        }
        if link.accepted > 0 {
            let ended = is_expired(&link.url) || matches!(failure, Error::Status { status: 404 | 410, .. });
            if ended {
                let (name, accepted) = (link.name.clone(), link.accepted);
                return Err(Error::LinkEnded { name, accepted, why: Box::new(failure) });
            }
            drop(link);
            return backoff.again(failure).await;
        }
        let (name, url) = match &self.source {
            UploadSource::Artifact(calls, target) => {
                calls.delete_unfinished(&link.name).await;
                let reserved = calls.reserve(target).await?;
                (reserved.name, reserved.url)
            }
            UploadSource::Entry(calls) => match calls.reserve(&link.name).await? {
                Some(url) => (link.name.clone(), url),
                // The key is still reserved behind the link that ended.
                None => return Err(failure),
            },
        };
        *link = Link { name, url: url.into(), number: number + 1, accepted: 0 };
        Ok(())
    }
}

/// Whether a failure may mean the end of a link or of its reservation.
fn has_ended(failure: &Error) -> bool {
    failure.refuses_link() || matches!(failure, Error::Status { status: 404, .. })
}

/// Whether a signed link states an end (`se`) that is over.
fn is_expired(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let end = query.split('&').find_map(|part| part.strip_prefix("se="));
    let end = end.and_then(|end| percent_encoding::percent_decode_str(end).decode_utf8().ok());
    end.and_then(|end| end.parse::<jiff::Timestamp>().ok()).is_some_and(|end| end <= jiff::Timestamp::now())
}

async fn put(http: &Http, what: &'static str, url: &str, mime: Option<&str>, body: Bytes) -> Result<(), Error> {
    let mut request = Request::put(url).header("x-ms-version", API_VERSION).header("user-agent", USER_AGENT);
    request = match mime {
        Some(mime) => request.header("content-type", "application/xml").header("x-ms-blob-content-type", mime),
        None => request.header("content-type", "application/octet-stream"),
    };
    let request = request.body(Full::new(body)).map_err(|e| bad_url(url, &e))?;
    let exchange = http.send(request, http.pulse.limits.block).await?;
    match exchange.status() {
        201 => exchange.body().await.map(drop),
        // An undocumented success is no proof that the bytes are stored.
        200..=299 => Err(exchange.foreign(what).await),
        _ => Err(exchange.refused(what, parse_error_body).await),
    }
}

/// Gets a blob, or its bytes from `range.0` to before `range.1`, in the version `etag` if known.
pub(crate) async fn get<'a>(
    http: &'a Http,
    url: &str,
    range: Option<(u64, u64)>,
    etag: Option<&str>,
) -> Result<Exchange<'a>, Error> {
    let mut request = Request::get(url).header("x-ms-version", API_VERSION).header("user-agent", USER_AGENT);
    if let Some((from, to)) = range {
        request = request.header("range", format!("bytes={from}-{}", to - 1));
    }
    if let Some(etag) = etag {
        request = request.header("if-match", etag);
    }
    let request = request.body(Full::default()).map_err(|e| bad_url(url, &e))?;
    http.send(request, http.pulse.limits.stall).await
}

fn bad_url(url: &str, why: &http::Error) -> Error {
    Error::BadUrl { url: crate::error::without_query(url), why: why.to_string() }
}

fn with_query(url: &str, more: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{more}")
}

/// Id of a block. All ids of a blob have one length, as the store demands. The base64 form of 24 ASCII characters has no
/// `+`, `/` or `=`, so that it needs no escaping in a query.
fn block_id(nonce: u64, index: u32) -> String {
    STANDARD.encode(format!("{nonce:016x}{index:08}"))
}

fn block_list(nonce: u64, order: impl IntoIterator<Item = u32>) -> String {
    let blocks: Vec<_> =
        order.into_iter().map(|index| format!("<Latest>{}</Latest>", block_id(nonce, index))).collect();
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{}</BlockList>", blocks.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn block_ids_have_one_length_differ_and_need_no_escaping(nonce: u64, a in 0..MAX_BLOCKS, b in 0..MAX_BLOCKS) {
            let (first, second) = (block_id(nonce, a), block_id(nonce, b));
            prop_assert_eq!(first.len(), 32);
            prop_assert!(first.bytes().all(|c| c.is_ascii_alphanumeric()));
            prop_assert_eq!(first == second, a == b);
        }

        #[test]
        fn block_list_has_every_block_once_in_order(nonce: u64, blocks in 0_u32..50) {
            let xml = block_list(nonce, 0..blocks);
            let listed: Vec<&str> = xml.split("<Latest>").skip(1).map(|s| s.split('<').next().unwrap()).collect();
            let expected: Vec<String> = (0..blocks).map(|i| block_id(nonce, i)).collect();
            prop_assert_eq!(listed, expected);
        }
    }

    #[test]
    fn query_is_appended_to_a_url_with_or_without_one() {
        assert_eq!(with_query("http://h/b?sig=1", "comp=block"), "http://h/b?sig=1&comp=block");
        assert_eq!(with_query("http://h/b", "comp=block"), "http://h/b?comp=block");
    }

    #[test]
    fn end_of_a_signed_link_is_read_from_it() {
        for (url, expired) in [
            ("http://h/b?se=2020-01-01T00%3A00%3A00Z&sig=1", true),
            ("http://h/b?sig=1&se=2020-01-01T00:00:00Z", true),
            ("http://h/b?se=2999-01-01T00%3A00%3A00Z", false),
            ("http://h/b?se=soon", false),
            ("http://h/b", false),
        ] {
            assert_eq!(is_expired(url), expired, "{url}");
        }
    }
}
