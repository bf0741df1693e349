//! Cache service: entries by key that outlive a run, within a repository's limits.

use std::sync::Arc;

use serde::Serialize;

use crate::blob::{BlobWriter, UploadSource};
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::remote::{DownloadSource, RemoteBlob, blob_size};
use crate::retry::{Counters, RetryPolicy};
use crate::twirp::Twirp;

const SERVICE: &str = "CacheService";

/// Client of the cache service.
#[derive(Debug)]
pub struct CacheClient(CacheCalls);

/// Calls of the cache service.
#[derive(Debug, Clone)]
pub(crate) struct CacheCalls {
    pub(crate) twirp: Arc<Twirp>,
    version: Arc<str>,
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

impl CacheCalls {
    fn request<'a>(&'a self, key: &'a str, size_bytes: Option<String>) -> Request<'a> {
        Request { key, version: &self.version, restore_keys: &[], size_bytes }
    }

    /// Reserves a key; `None` when it is taken.
    pub(crate) async fn reserve(&self, key: &str) -> Result<Option<String>, Error> {
        match self.twirp.call("CreateCacheEntry", &self.request(key, None)).await {
            Ok(answer) if answer.ok && !answer.signed_upload_url.is_empty() => Ok(Some(answer.signed_upload_url)),
            // Not a taken key: a sender that took it for one would leave the entry out.
            Ok(answer) if !answer.ok && is_refusal(&answer.message) => {
                Err(Error::Refused { key: key.to_owned(), message: answer.message })
            }
            Ok(_) | Err(Error::Status { status: 409, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Finds the entry with exactly this key.
    pub(crate) async fn find(&self, key: &str) -> Result<Option<CacheEntry>, Error> {
        // The service also matches longer keys that begin with this one.
        Ok(self.look_up(&self.request(key, None)).await?.filter(|entry| entry.key == key))
    }

    async fn look_up(&self, request: &Request<'_>) -> Result<Option<CacheEntry>, Error> {
        let found = self.twirp.call("GetCacheEntryDownloadURL", request).await?;
        let exists = found.ok && !found.signed_download_url.is_empty();
        Ok(exists.then_some(CacheEntry { key: found.matched_key, url: found.signed_download_url }))
    }

    /// New download link of an entry.
    pub(crate) async fn link(&self, key: &str) -> Result<String, Error> {
        self.find(key).await?.map(|entry| entry.url).ok_or_else(|| Error::Gone(key.to_owned()))
    }
}

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
    /// [`Error::Status`] when the service does not accept it.
    pub async fn finalize(&self, key: &str, size: u64) -> Result<(), Error> {
        let what = "FinalizeCacheEntryUpload";
        let answer = self.0.twirp.call(what, &self.0.request(key, Some(size.to_string()))).await?;
        if answer.ok { Ok(()) } else { Err(Error::answer(what, "it is not ok")) }
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
        self.0.look_up(&Request { restore_keys: &[prefix], ..self.0.request(prefix, None) }).await
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

/// Whether the reason of an entry that was not reserved is another one than a taken key.
fn is_refusal(message: &str) -> bool {
    !message.is_empty() && !message.contains("already exists")
}
