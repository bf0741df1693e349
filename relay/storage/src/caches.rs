//! The cache service: entries by key that outlive a run, within a repository's limits.

use std::sync::Arc;

use serde::Serialize;

use crate::blob::BlobWriter;
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;

use crate::remote::{RemoteBlob, size_of};
use crate::retry::{Counters, RetryPolicy};
use crate::twirp::Twirp;

const SERVICE: &str = "CacheService";

/// A job's view of the cache service.
#[derive(Debug)]
pub struct CacheClient {
    twirp: Twirp,
    version: String,
}

/// An entry that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// The key under which it was stored.
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
    /// A client whose entries are told apart from other clients' by `version` (the service compares it literally).
    ///
    /// # Errors
    /// [`Error::BadUrl`] when the endpoint is not usable.
    pub fn new(endpoint: ServiceEndpoint, retry: RetryPolicy, version: &str) -> Result<Self, Error> {
        Ok(Self { twirp: Twirp::new(endpoint, retry, SERVICE)?, version: version.to_owned() })
    }

    /// What this client has done on the wire so far.
    pub fn counters(&self) -> &Counters {
        &self.twirp.http.counters
    }

    /// Reserves a key. `None` when somebody has it already.
    ///
    /// # Errors
    /// [`Error::Status`]: 403 where the token may not write, 429 when the repository's minute is used up for longer
    /// than our patience.
    pub async fn create(&self, key: &str) -> Result<Option<BlobWriter>, Error> {
        match self.twirp.call("CreateCacheEntry", &self.request(key, None)).await {
            Ok(answer) if answer.ok && !answer.signed_upload_url.is_empty() => {
                Ok(Some(BlobWriter::new(Arc::clone(&self.twirp.http), answer.signed_upload_url)))
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
        if answer.ok { Ok(()) } else { Err(Error::Answer { what, why: "it is not ok".to_owned() }) }
    }

    /// The entry with exactly that key, if there is one. The service counts a look as a use.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn find(&self, key: &str) -> Result<Option<CacheEntry>, Error> {
        // The service also matches longer keys that begin with this one.
        Ok(self.look_up(&self.request(key, None)).await?.filter(|entry| entry.key == key))
    }

    /// The newest entry whose key begins so, if there is one.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn newest(&self, beginning: &str) -> Result<Option<CacheEntry>, Error> {
        self.look_up(&Request { restore_keys: &[beginning], ..self.request(beginning, None) }).await
    }

    async fn look_up(&self, request: &Request<'_>) -> Result<Option<CacheEntry>, Error> {
        let found = self.twirp.call("GetCacheEntryDownloadURL", request).await?;
        let there = found.ok && !found.signed_download_url.is_empty();
        Ok(there.then_some(CacheEntry { key: found.matched_key, url: found.signed_download_url }))
    }

    /// Reads an entry whose size is known.
    pub fn reader(&self, entry: &CacheEntry, size: u64) -> RemoteBlob {
        RemoteBlob::new(Arc::clone(&self.twirp.http), entry.url.clone(), entry.key.clone(), size)
    }

    /// Reads an entry whose size is not known yet: the store is asked for it.
    ///
    /// # Errors
    /// What the store answers after all retries.
    pub async fn open(&self, entry: &CacheEntry) -> Result<RemoteBlob, Error> {
        let http = &self.twirp.http;
        Ok(self.reader(entry, http.repeat(|| size_of(http, &entry.url)).await?))
    }

    fn request<'a>(&'a self, key: &'a str, size_bytes: Option<String>) -> Request<'a> {
        Request { key, version: &self.version, restore_keys: &[], size_bytes }
    }
}
