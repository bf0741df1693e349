//! Calls of the cache service, for its client and for transfers that need a new link.

use std::sync::Arc;

use serde::Serialize;

use crate::error::Error;
use crate::twirp::Twirp;

/// Calls of the cache service.
#[derive(Debug, Clone)]
pub(crate) struct CacheCalls {
    pub(crate) twirp: Arc<Twirp>,
    pub(crate) version: Arc<str>,
}

/// Existing cache entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// Key under which it was stored.
    pub key: String,
    pub(crate) url: String,
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

    /// Makes an uploaded entry visible. Where an answer was lost, a lookup says whether it is.
    pub(crate) async fn finalize(&self, key: &str, size: u64) -> Result<(), Error> {
        const WHAT: &str = "FinalizeCacheEntryUpload";
        let json = Twirp::encode(WHAT, &self.request(key, Some(size.to_string())))?;
        let mut backoff = self.twirp.http.backoff();
        loop {
            match self.twirp.try_call(WHAT, json.clone()).await {
                Ok(answer) if answer.ok => return Ok(()),
                Ok(_) => return Err(Error::answer(WHAT, "it is not ok")),
                Err(failure) => match backoff.after(failure).await {
                    Ok(()) => {}
                    Err(last) => {
                        let stored = backoff.is_ambiguous() && self.find(key).await.is_ok_and(|found| found.is_some());
                        return if stored { Ok(()) } else { Err(last) };
                    }
                },
            }
        }
    }

    /// Finds the entry with exactly this key.
    pub(crate) async fn find(&self, key: &str) -> Result<Option<CacheEntry>, Error> {
        // The service also matches longer keys that begin with this one.
        Ok(self.look_up(&self.request(key, None)).await?.filter(|entry| entry.key == key))
    }

    /// Finds the newest entry whose key begins with `prefix`.
    pub(crate) async fn newest(&self, prefix: &str) -> Result<Option<CacheEntry>, Error> {
        self.look_up(&Request { restore_keys: &[prefix], ..self.request(prefix, None) }).await
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

/// Whether the reason of an entry that was not reserved is another one than a taken key.
fn is_refusal(message: &str) -> bool {
    !message.is_empty() && !message.contains("already exists")
}
