//! Cache service: entries by key that outlive a run, within a repository's limits.

use std::sync::Arc;

use crate::blob::{BlobWriter, UploadSource};
use crate::cache_calls::{CacheCalls, CacheEntry};
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::remote::{DownloadSource, RemoteBlob, blob_size};
use crate::retry::{Counters, RetryPolicy};
use crate::twirp::Twirp;

const SERVICE: &str = "CacheService";

/// Client of the cache service.
#[derive(Debug)]
pub struct CacheClient(CacheCalls);

impl CacheClient {
    /// Creates a client. `version` separates its entries from other clients', because the service compares it literally.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when the endpoint is not usable, [`Error::BadProxy`] for a variable of a proxy.
    pub fn new(endpoint: ServiceEndpoint, retry: RetryPolicy, version: &str) -> Result<Self, Error> {
        let twirp = Arc::new(Twirp::new(endpoint, retry, SERVICE)?);
        Ok(Self(CacheCalls { twirp, version: version.into() }))
    }

    /// Counters of this client's requests.
    pub fn counters(&self) -> &Counters {
        &self.0.twirp.http.counters
    }

    /// Reserves a key. `None` when the key is taken. While no block is stored, the writer reserves it again when its link or
    /// its reservation has ended.
    ///
    /// # Errors
    /// [`Error::Refused`] when the token may not save or the repository's budget is spent; [`Error::Status`] 429 when the rate
    /// limit outlasts all retries.
    pub async fn create(&self, key: &str) -> Result<Option<BlobWriter>, Error> {
        let Some(url) = self.0.reserve(key).await? else { return Ok(None) };
        let source = UploadSource::Entry(self.0.clone());
        Ok(Some(BlobWriter::new(Arc::clone(&self.0.twirp), source, key.to_owned(), url)))
    }

    /// Makes an uploaded entry visible.
    ///
    /// # Errors
    /// [`Error::Status`] when the service does not accept it. Where an answer was lost, an entry that is there is no error.
    pub async fn finalize(&self, key: &str, size: u64) -> Result<(), Error> {
        self.0.finalize(key, size).await
    }

    /// Finds the entry with exactly this key. The service counts the lookup as a use.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn find(&self, key: &str) -> Result<Option<CacheEntry>, Error> {
        self.0.find(key).await
    }

    /// Finds the newest entry whose key begins with `prefix`.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn newest(&self, prefix: &str) -> Result<Option<CacheEntry>, Error> {
        self.0.newest(prefix).await
    }

    /// Reader of an entry of known size. It looks the entry up again when its link has ended.
    pub fn reader(&self, entry: &CacheEntry, size: u64) -> RemoteBlob {
        RemoteBlob::new(DownloadSource::Entry(self.0.clone(), entry.key.clone()), entry.url.clone(), size)
    }

    /// Reader of an entry of unknown size, which is requested from the store.
    ///
    /// # Errors
    /// Errors of the store after all retries, [`Error::Gone`].
    pub async fn open(&self, entry: &CacheEntry) -> Result<RemoteBlob, Error> {
        let (http, mut entry) = (&self.0.twirp.http, entry.clone());
        let size = match http.repeat(|| blob_size(http, &entry.url)).await {
            Err(failure) if failure.refuses_link() => {
                entry.url = self.0.link(&entry.key).await?;
                http.repeat(|| blob_size(http, &entry.url)).await?
            }
            first => first?,
        };
        Ok(self.reader(&entry, size))
    }
}
