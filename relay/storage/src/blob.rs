//! Blob store behind signed URLs: put blocks, commit their order, get ranges.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::error::Error;
use crate::http::{Exchange, Http};
use crate::retry::random_u64;
use crate::timeouts::BLOB_TIMEOUT;
use crate::twirp::USER_AGENT;
use crate::wire::parse_error_body;

/// Largest number of blocks of a blob.
pub const MAX_BLOCKS: u32 = 50_000;
/// Protocol version of the blob store.
const API_VERSION: &str = "2024-11-04";

/// Writer of a blob whose blocks may be sent in any order. The list at the end orders them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobWriter {
    http: Arc<Http>,
    url: Arc<str>,
    nonce: u64,
}

impl BlobWriter {
    pub(crate) fn new(http: Arc<Http>, url: String) -> Self {
        Self { http, url: url.into(), nonce: random_u64() }
    }

    /// Sends a block under the number `index`, with retries.
    ///
    /// # Errors
    /// Errors of the store after all retries; [`Error::TooManyBlocks`] beyond [`MAX_BLOCKS`].
    pub async fn put(&self, index: u32, bytes: Bytes) -> Result<(), Error> {
        if index >= MAX_BLOCKS {
            return Err(Error::TooManyBlocks { limit: MAX_BLOCKS, block_bytes: bytes.len() });
        }
        let url = with_query(&self.url, &format!("comp=block&blockid={}", block_id(self.nonce, index)));
        self.http.repeat(|| put(&self.http, "Put Block", &url, None, bytes.clone())).await
    }

    /// Commits the blocks of `order` as the blob's content.
    ///
    /// # Errors
    /// Errors of the store after all retries.
    pub async fn commit(&self, order: impl IntoIterator<Item = u32>, mime: &str) -> Result<(), Error> {
        let url = with_query(&self.url, "comp=blocklist");
        let list = Bytes::from(block_list(self.nonce, order));
        self.http.repeat(|| put(&self.http, "Put Block List", &url, Some(mime), list.clone())).await
    }
}

async fn put(http: &Http, what: &'static str, url: &str, mime: Option<&str>, body: Bytes) -> Result<(), Error> {
    let mut request = Request::put(url).header("x-ms-version", API_VERSION).header("user-agent", USER_AGENT);
    request = match mime {
        Some(mime) => request.header("content-type", "application/xml").header("x-ms-blob-content-type", mime),
        None => request.header("content-type", "application/octet-stream"),
    };
    let request = request.body(Full::new(body)).map_err(|e| bad_url(url, &e))?;
    let exchange = http.send(request, BLOB_TIMEOUT).await?;
    match exchange.status() {
        201 => exchange.body().await.map(drop),
        // An undocumented success is no proof that the bytes are stored.
        200..=299 => Err(Error::Answer { what, why: format!("status {} instead of 201", exchange.status()) }),
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
    http.send(request, BLOB_TIMEOUT).await
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
}
