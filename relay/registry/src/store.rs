//! Stores of relayed bytes: one artifact of the run, or cache entries by digest, which later runs find again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handoff_storage::{
    AdaptiveConcurrency, ArtifactClient, ArtifactTarget, ArtifactUpload, BlobWriter, CacheClient, RemoteBlob,
    ServiceEndpoint,
};
use tokio::sync::OnceCell;

use crate::Error;
use crate::cache_entries::{
    self, Reserved, find_blob, find_image, image_key, reserve_blob, reserve_image, reserve_upload,
};
use crate::digest::Digest;
use crate::index::BlobLocation;

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
    Artifact { client: Box<ArtifactClient>, target: ArtifactTarget, blob: OnceCell<ArtifactUpload>, next: AtomicU32 },
    /// One cache entry per large blob. The nonce separates the uploads of this sender from those of all others.
    Cache { client: Arc<CacheClient>, name: String, nonce: u64 },
}

/// Destination of one large blob.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Blocks of the artifact, which all uploads share.
    Artifact(BlobWriter),
    /// A new cache entry.
    Entry { key: String, blob: BlobWriter, next: Arc<AtomicU32> },
    /// An entry that another job stored: nothing is sent.
    Known(BlobLocation),
}

impl SenderStore {
    pub(crate) async fn open(
        kind: StoreKind,
        endpoint: ServiceEndpoint,
        name: &str,
        retention_days: Option<u32>,
    ) -> Result<Self, Error> {
        match kind {
            StoreKind::Artifact => {
                let client = Box::new(ArtifactClient::new(endpoint)?);
                let mut target = ArtifactTarget::new(artifact_name(name), MIME);
                target.expires_in_days = retention_days;
                Ok(Self::Artifact { client, target, blob: OnceCell::new(), next: AtomicU32::new(0) })
            }
            StoreKind::Cache => {
                let client = Arc::new(cache_entries::client(endpoint)?);
                if find_image(&client, name).await?.is_some() {
                    return Err(Error::Taken(name.to_owned()));
                }
                let nonce = getrandom::u64().map_err(|e| Error::Broken(format!("no random number: {e}")))?;
                Ok(Self::Cache { client, name: name.to_owned(), nonce })
            }
        }
    }

    /// Waits until blocks can be written. The first call creates the artifact, in parallel with a build.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        match self {
            Self::Artifact { client, target, blob, .. } => artifact_writer(client, target, blob).await.map(drop),
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
        find_blob(client, digest).await
    }

    /// Opens the destination of a large blob. A digest known beforehand names the entry, so that later runs find it.
    pub(crate) async fn target(
        &self,
        digest: Option<&Digest>,
        upload: &str,
        is_encoded: bool,
    ) -> Result<Target, Error> {
        let reserved = match (self, digest) {
            (Self::Artifact { client, target, blob, .. }, _) => {
                return Ok(Target::Artifact(artifact_writer(client, target, blob).await?.clone()));
            }
            (Self::Cache { client, .. }, Some(digest)) => reserve_blob(client, digest, is_encoded).await?,
            (Self::Cache { client, name, nonce }, None) => {
                reserve_upload(client, &format!("{name}-{nonce:016x}-{upload}")).await?
            }
        };
        Ok(match reserved {
            Reserved::New { key, blob } => Target::Entry { key, blob, next: Arc::default() },
            Reserved::Stored(location) => Target::Known(location),
        })
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
            Self::Artifact { client, target, blob, next } => {
                let upload = artifact_upload(client, target, blob).await?;
                let finished = async {
                    order.extend(put_all(upload.writer(), next, tail, concurrency).await?);
                    upload.writer().commit(order, MIME).await?;
                    upload.finalize(size, None).await.map_err(Error::from)
                };
                if let Err(failure) = finished.await {
                    // Its name would stay taken for the whole run.
                    upload.abandon().await;
                    return Err(failure);
                }
            }
            Self::Cache { client, name, .. } => {
                let (key, blob) = reserve_image(client, name).await?;
                let order = put_all(&blob, &AtomicU32::new(0), tail, concurrency).await?;
                blob.commit(order, MIME).await?;
                cache_entries::complete(client, &key, size).await?;
            }
        }
        Ok(size)
    }

    pub(crate) async fn finalize_entry(&self, key: &str, size: u64) -> Result<(), Error> {
        match self {
            Self::Cache { client, .. } => cache_entries::complete(client, key, size).await,
            Self::Artifact { .. } => Ok(()),
        }
    }
}

/// Upload of the artifact. The first caller reserves it, later ones wait for it.
async fn artifact_upload<'a>(
    client: &ArtifactClient,
    target: &ArtifactTarget,
    blob: &'a OnceCell<ArtifactUpload>,
) -> Result<&'a ArtifactUpload, Error> {
    blob.get_or_try_init(async || client.create(target).await.map_err(|e| taken(target, e))).await
}

/// The transfer's own name instead of the artifact's.
fn taken(target: &ArtifactTarget, error: handoff_storage::Error) -> Error {
    match error {
        handoff_storage::Error::Taken(_) => {
            Error::TakenInRun(target.name.strip_prefix(ARTIFACT_PREFIX).unwrap_or(&target.name).to_owned())
        }
        other => other.into(),
    }
}

async fn artifact_writer<'a>(
    client: &ArtifactClient,
    target: &ArtifactTarget,
    blob: &'a OnceCell<ArtifactUpload>,
) -> Result<&'a BlobWriter, Error> {
    artifact_upload(client, target, blob).await.map(ArtifactUpload::writer)
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

/// Beginning of the names of artifacts that hold transfers.
const ARTIFACT_PREFIX: &str = "handoff-relay-";

fn artifact_name(name: &str) -> String {
    format!("{ARTIFACT_PREFIX}{name}")
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
            StoreKind::Cache => Ok(Self::Cache(cache_entries::client(endpoint)?)),
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
                let entry = find_image(client, name).await?;
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

    /// Opens the cache entry of a blob.
    pub(crate) async fn entry(&self, digest: &Digest, key: &str, location: &BlobLocation) -> Result<RemoteBlob, Error> {
        let missing = || Error::NotInCache { digest: digest.to_string(), key: key.to_owned() };
        let Self::Cache(client) = self else { return Err(missing()) };
        let entry = client.find(key).await?.ok_or_else(missing)?;
        Ok(client.reader(&entry, location.entry_size()))
    }
}

/// Deletes the artifact of a transfer: nobody can receive it any more.
///
/// # Errors
/// [`Error::NotSent`] when it is gone already; errors of the service.
pub async fn delete(endpoint: ServiceEndpoint, name: &str) -> Result<(), Error> {
    let client = ArtifactClient::new(endpoint)?;
    match client.delete_named(&artifact_name(name)).await? {
        0 => Err(not_sent(name, "in this workflow run")),
        _ => Ok(()),
    }
}

fn not_sent(name: &str, within: &'static str) -> Error {
    Error::NotSent { name: name.to_owned(), within }
}
