//! Stores of relayed bytes: one artifact of the run, or cache entries by digest, which later runs find again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handoff_storage::{
    AdaptiveConcurrency, ArtifactClient, ArtifactTarget, BlobWriter, CacheClient, RemoteBlob, RetryPolicy,
    ServiceEndpoint,
};
use tokio::sync::OnceCell;

use crate::Error;
use crate::digest::Digest;
use crate::index::BlobLocation;

/// Cache version: it separates relay's entries from other clients' and from other layouts.
const CACHE_VERSION: &str = "handoff-relay-1";
/// Content type of stored bytes.
pub(crate) const MIME: &str = "application/octet-stream";

/// Service that stores the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// One artifact per image: visible in this run only, outside the cache's 10 GB.
    Artifact,
    /// Cache entries by digest: a layer that an earlier run stored is not sent again.
    Cache,
}

impl std::str::FromStr for StoreKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "artifact" => Ok(Self::Artifact),
            "cache" => Ok(Self::Cache),
            other => Err(format!("unknown store `{other}`: use artifact or cache")),
        }
    }
}

/// Store of a sender.
#[derive(Debug)]
pub(crate) enum SenderStore {
    /// One artifact whose block list orders the blocks of all blobs. [`SenderStore::ready`] creates it.
    Artifact { client: Box<ArtifactClient>, name: String, blob: OnceCell<BlobWriter>, next: AtomicU32 },
    /// One cache entry per large blob.
    Cache { client: Arc<CacheClient>, name: String },
}

/// Destination of one large blob.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Blocks of the artifact, which all uploads share.
    Artifact(BlobWriter),
    /// A new cache entry.
    Entry { key: String, blob: BlobWriter, next: Arc<AtomicU32> },
    /// An entry that another job stored: nothing is sent.
    Known { key: String },
}

pub(crate) fn entry_key(digest: &Digest) -> String {
    format!("handoff-relay-blob-{digest}")
}

fn image_key(name: &str) -> String {
    format!("handoff-relay-image-{name}")
}

impl SenderStore {
    pub(crate) async fn open(kind: StoreKind, endpoint: ServiceEndpoint, name: &str) -> Result<Self, Error> {
        match kind {
            StoreKind::Artifact => {
                let client = Box::new(ArtifactClient::new(endpoint)?);
                Ok(Self::Artifact { client, name: name.to_owned(), blob: OnceCell::new(), next: AtomicU32::new(0) })
            }
            StoreKind::Cache => {
                let client = Arc::new(cache_client(endpoint)?);
                if client.find(&image_key(name)).await?.is_some() {
                    return Err(Error::Taken(name.to_owned()));
                }
                Ok(Self::Cache { client, name: name.to_owned() })
            }
        }
    }

    /// Waits until blocks can be written. The first call creates the artifact, in parallel with a build.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        match self {
            Self::Artifact { client, name, blob, .. } => artifact_writer(client, name, blob).await.map(drop),
            Self::Cache { .. } => Ok(()),
        }
    }

    /// Counters of the client.
    pub(crate) fn counters(&self) -> &handoff_storage::Counters {
        match self {
            Self::Artifact { client, .. } => client.counters(),
            Self::Cache { client, .. } => client.counters(),
        }
    }

    /// Finds a blob that an earlier run stored.
    pub(crate) async fn find(&self, digest: &Digest) -> Result<Option<BlobLocation>, Error> {
        let Self::Cache { client, .. } = self else { return Ok(None) };
        let key = entry_key(digest);
        let Some(entry) = client.find(&key).await? else { return Ok(None) };
        let size = client.open(&entry).await?.size();
        Ok(Some(BlobLocation { entry: Some(key), offset: 0, size }))
    }

    /// Opens the destination of a large blob. A digest known beforehand names the entry, so that later runs find it.
    pub(crate) async fn target(&self, digest: Option<&Digest>, upload: &str) -> Result<Target, Error> {
        let (client, name) = match self {
            Self::Artifact { client, name, blob, .. } => {
                return Ok(Target::Artifact(artifact_writer(client, name, blob).await?.clone()));
            }
            Self::Cache { client, name } => (client, name),
        };
        let upload_key = format!("handoff-relay-upload-{name}-{upload}");
        let mut key = digest.map_or_else(|| upload_key.clone(), entry_key);
        let mut created = client.create(&key).await?;
        // A reserved key without an entry belongs to an upload that broke off or still runs: neither is reliable.
        if created.is_none() && client.find(&key).await?.is_none() {
            key = upload_key;
            created = client.create(&key).await?;
        }
        match created {
            Some(blob) => Ok(Target::Entry { key, blob, next: Arc::default() }),
            None => Ok(Target::Known { key }),
        }
    }

    /// Writer of a target, and the number of its next block.
    pub(crate) fn block(&self, target: &Target) -> Option<(BlobWriter, u32)> {
        match (self, target) {
            (Self::Artifact { next, .. }, Target::Artifact(blob)) => {
                Some((blob.clone(), next.fetch_add(1, Ordering::Relaxed)))
            }
            (_, Target::Entry { blob, next, .. }) => Some((blob.clone(), next.fetch_add(1, Ordering::Relaxed))),
            _ => None,
        }
    }

    /// Stores the table and makes the image visible; returns the stored bytes.
    pub(crate) async fn finish(
        &self,
        mut order: Vec<u32>,
        before: u64,
        tail: Vec<u8>,
        concurrency: &AdaptiveConcurrency,
    ) -> Result<u64, Error> {
        let size = before + tail.len() as u64;
        match self {
            Self::Artifact { client, name, blob, next } => {
                let blob = artifact_writer(client, name, blob).await?;
                order.extend(put_all(blob, next, tail, concurrency).await?);
                blob.commit(order, MIME).await?;
                client.finalize(&artifact_name(name), size, None).await?;
            }
            Self::Cache { client, name } => {
                let key = image_key(name);
                let blob = client.create(&key).await?.ok_or_else(|| Error::Taken(name.clone()))?;
                let order = put_all(&blob, &AtomicU32::new(0), tail, concurrency).await?;
                blob.commit(order, MIME).await?;
                client.finalize(&key, size).await?;
            }
        }
        Ok(size)
    }

    pub(crate) async fn finalize_entry(&self, key: &str, size: u64) -> Result<(), Error> {
        match self {
            Self::Cache { client, .. } => Ok(client.finalize(key, size).await?),
            Self::Artifact { .. } => Ok(()),
        }
    }
}

/// Writer of the artifact. The first caller creates the artifact, later ones wait for it.
async fn artifact_writer<'a>(
    client: &ArtifactClient,
    name: &str,
    blob: &'a OnceCell<BlobWriter>,
) -> Result<&'a BlobWriter, Error> {
    blob.get_or_try_init(async || {
        let target = ArtifactTarget { name: artifact_name(name), mime: MIME.to_owned(), version: 7 };
        Ok(client.writer(client.create(&target).await?))
    })
    .await
}

async fn put_all(
    blob: &BlobWriter,
    next: &AtomicU32,
    bytes: Vec<u8>,
    concurrency: &AdaptiveConcurrency,
) -> Result<Vec<u32>, Error> {
    let bytes = bytes::Bytes::from(bytes);
    let mut order = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let piece = bytes.slice(at..bytes.len().min(at + crate::PART_BYTES));
        at += piece.len();
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (slot, len) = (concurrency.take().await, piece.len() as u64);
        blob.put(number, piece).await?;
        slot.moved(len);
        order.push(number);
    }
    Ok(order)
}

fn artifact_name(name: &str) -> String {
    format!("handoff-relay-{name}")
}

fn cache_client(endpoint: ServiceEndpoint) -> Result<CacheClient, Error> {
    Ok(CacheClient::new(endpoint, RetryPolicy::default(), CACHE_VERSION)?)
}

/// Store of a receiver.
#[derive(Debug)]
pub(crate) enum ReceiverStore {
    /// Artifacts of this run.
    Artifact(ArtifactClient),
    /// Cache entries.
    Cache(CacheClient),
}

impl ReceiverStore {
    pub(crate) fn open(kind: StoreKind, endpoint: ServiceEndpoint) -> Result<Self, Error> {
        match kind {
            StoreKind::Artifact => Ok(Self::Artifact(ArtifactClient::new(endpoint)?)),
            StoreKind::Cache => Ok(Self::Cache(cache_client(endpoint)?)),
        }
    }

    pub(crate) fn counters(&self) -> &handoff_storage::Counters {
        match self {
            Self::Artifact(client) => client.counters(),
            Self::Cache(client) => client.counters(),
        }
    }

    /// Opens the blob with the table of the image `name`.
    pub(crate) async fn table(&self, name: &str) -> Result<RemoteBlob, Error> {
        match self {
            Self::Artifact(client) => {
                let artifact = client.find(&artifact_name(name)).await.map_err(|e| match e {
                    handoff_storage::Error::NotFound { .. } => not_sent(name, "in this workflow run"),
                    other => other.into(),
                })?;
                let url = client.signed_url(&artifact).await?;
                Ok(client.reader(&artifact, url))
            }
            Self::Cache(client) => {
                let entry = client.find(&image_key(name)).await?;
                let entry = entry.ok_or_else(|| not_sent(name, "in the caches that this branch can see"))?;
                Ok(client.open(&entry).await?)
            }
        }
    }

    /// Opens the blob with the table of the newest image whose name begins with `prefix`. Only a cache stores other runs' images.
    pub(crate) async fn newest(&self, prefix: &str) -> Result<Option<RemoteBlob>, Error> {
        let Self::Cache(client) = self else { return Ok(None) };
        let Some(entry) = client.newest(&image_key(prefix)).await? else { return Ok(None) };
        Ok(Some(client.open(&entry).await?))
    }

    /// Opens the cache entry `key` of a blob.
    pub(crate) async fn entry(&self, digest: &Digest, key: &str, size: u64) -> Result<RemoteBlob, Error> {
        let evicted = || Error::Evicted(digest.to_string());
        let Self::Cache(client) = self else { return Err(evicted()) };
        let entry = client.find(key).await?.ok_or_else(evicted)?;
        Ok(client.reader(&entry, size))
    }
}

/// Deletes the artifact of a transfer: nobody can receive it any more.
///
/// # Errors
/// [`Error::NotSent`] when it is gone already; errors of the service.
pub async fn delete(endpoint: ServiceEndpoint, name: &str) -> Result<(), Error> {
    let client = ArtifactClient::new(endpoint)?;
    let artifact = client.find(&artifact_name(name)).await.map_err(|e| match e {
        handoff_storage::Error::NotFound { .. } => not_sent(name, "in this workflow run"),
        other => other.into(),
    })?;
    Ok(client.delete(&artifact).await?)
}

fn not_sent(name: &str, within: &'static str) -> Error {
    Error::NotSent { name: name.to_owned(), within }
}
