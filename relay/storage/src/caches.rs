//! Cache service: entries by key that outlive a run, within a repository's limits.

use std::sync::Arc;

use serde::Serialize;

use crate::blob::BlobWriter;
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::remote::{RemoteBlob, blob_size};
use crate::retry::{Counters, RetryPolicy};
use crate::twirp::Twirp;

const SERVICE: &str = "CacheService";

/// Client of the cache service.
#[derive(Debug)]
pub struct CacheClient {
    twirp: Twirp,
    version: String,
}

/// Existing cache entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// Key under which it was stored.
    pub key: String,
    url: String,
}

#[derive(Serialize)]
struct Request<'a> {
    key: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    restore_keys: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<String>,
}

impl CacheClient {
    /// Creates a client. `version` separates its entries from other clients', because the service compares it literally.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when the endpoint is not usable.
    pub fn new(endpoint: ServiceEndpoint, retry: RetryPolicy, version: &str) -> Result<Self, Error> {
        Ok(Self { twirp: Twirp::new(endpoint, retry, SERVICE)?, version: version.to_owned() })
    }

    /// Counters of this client's requests.
    pub fn counters(&self) -> &Counters {
        &self.twirp.http.counters
    }

    /// Reserves a key. `None` when the key is taken.
    ///
    /// # Errors
    /// [`Error::Refused`] when the token may not save or the repository's budget is spent; [`Error::Status`] 429 when the rate
    /// limit outlasts all retries.
    pub async fn create(&self, key: &str) -> Result<Option<BlobWriter>, Error> {
        match self.twirp.call("CreateCacheEntry", &self.request(key, None)).await {
            Ok(answer) if answer.ok && !answer.signed_upload_url.is_empty() => {
                Ok(Some(BlobWriter::new(Arc::clone(&self.twirp.http), answer.signed_upload_url)))
            }
            // Not a taken key: a sender that took it for one would leave the entry out.
            Ok(answer) if !answer.ok && is_refusal(&answer.message) => {
                Err(Error::Refused { key: key.to_owned(), message: answer.message })
            }
            Ok(_) | Err(Error::Status { status: 409, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Makes an uploaded entry visible.
    ///
    /// # Errors
    /// [`Error::Status`] when the service does not accept it.
    pub async fn finalize(&self, key: &str, size: u64) -> Result<(), Error> {
        let what = "FinalizeCacheEntryUpload";
        let answer = self.twirp.call(what, &self.request(key, Some(size.to_string()))).await?;
        if answer.ok { Ok(()) } else { Err(Error::answer(what, "it is not ok")) }
    }

    /// Finds the entry with exactly this key. The service counts the lookup as a use.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn find(&self, key: &str) -> Result<Option<CacheEntry>, Error> {
        // The service also matches longer keys that begin with this one.
        Ok(self.look_up(&self.request(key, None)).await?.filter(|entry| entry.key == key))
    }

    /// Finds the newest entry whose key begins with `prefix`.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn newest(&self, prefix: &str) -> Result<Option<CacheEntry>, Error> {
        self.look_up(&Request { restore_keys: &[prefix], ..self.request(prefix, None) }).await
    }

    async fn look_up(&self, request: &Request<'_>) -> Result<Option<CacheEntry>, Error> {
        let found = self.twirp.call("GetCacheEntryDownloadURL", request).await?;
        let exists = found.ok && !found.signed_download_url.is_empty();
        Ok(exists.then_some(CacheEntry { key: found.matched_key, url: found.signed_download_url }))
    }

    /// Reader of an entry of known size.
    pub fn reader(&self, entry: &CacheEntry, size: u64) -> RemoteBlob {
        RemoteBlob::new(Arc::clone(&self.twirp.http), entry.url.clone(), entry.key.clone(), size)
    }

    /// Reader of an entry of unknown size, which is requested from the store.
    ///
    /// # Errors
    /// Errors of the store after all retries.
    pub async fn open(&self, entry: &CacheEntry) -> Result<RemoteBlob, Error> {
        let http = &self.twirp.http;
        Ok(self.reader(entry, http.repeat(|| blob_size(http, &entry.url)).await?))
    }

    fn request<'a>(&'a self, key: &'a str, size_bytes: Option<String>) -> Request<'a> {
        Request { key, version: &self.version, restore_keys: &[], size_bytes }
    }
}

/// Whether the reason of an entry that was not reserved is another one than a taken key.
fn is_refusal(message: &str) -> bool {
    !message.is_empty() && !message.contains("already exists")
}
