//! Cache entries of a transfer: their keys, the search for complete ones, and the reservation of new ones.
//!
//! A reserved key is no stored entry. The answer to our own reservation may be lost, a killed job leaves a reservation for ever, and
//! another job may be sending the blob now. All three answer a reservation with 409
//! (falcondev-oss/github-actions-cache-server#161, actions/cache#1612). So only a lookup shows that an entry is there. Without one,
//! a sender waits a moment for the other job, and then sends under a key with a number, which lookups by prefix find.

use handoff_storage::{BlobWriter, CacheClient, CacheEntry, RetryPolicy, ServiceEndpoint};
use tokio::time::{Instant, sleep};

use crate::Error;
use crate::digest::Digest;
use crate::encoding::Frames;
use crate::index::BlobLocation;
use crate::timeouts::{ENTRY_POLL_INTERVAL, ENTRY_WAIT_TIMEOUT};

/// Cache version: it separates relay's entries from other clients' and from other layouts.
const CACHE_VERSION: &str = "handoff-relay-1";
/// Reservations that a sender tries for one blob or table.
const MAX_ATTEMPTS: u32 = 5;
/// End of the key of an encoded blob, before the attempt's number.
const ENCODED: &str = ".zstd";
/// Bytes of the first read of an entry's list of frames: enough for a blob of 60 GiB.
const LIST_BYTES: u64 = 64 << 10;

/// Result of a reservation.
#[derive(Debug)]
pub(crate) enum Reserved {
    /// New entry to write.
    New { key: String, blob: BlobWriter },
    /// Entry that another job has stored.
    Stored(BlobLocation),
}

pub(crate) fn client(endpoint: ServiceEndpoint) -> Result<CacheClient, Error> {
    Ok(CacheClient::new(endpoint, RetryPolicy::default(), CACHE_VERSION)?)
}

fn blob_key(digest: &Digest) -> String {
    format!("handoff-relay-blob-{digest}")
}

pub(crate) fn image_key(name: &str) -> String {
    format!("handoff-relay-image-{name}")
}

/// Beginning of the keys of an image's later attempts. No name has a `:`, so that no other image has this beginning.
fn later_image_keys(name: &str) -> String {
    format!("{}:", image_key(name))
}

/// Finds the newest complete entry of a blob, whatever its attempt and encoding.
pub(crate) async fn find_blob(client: &CacheClient, digest: &Digest) -> Result<Option<BlobLocation>, Error> {
    let beginning = blob_key(digest);
    let Some(entry) = client.newest(&beginning).await? else { return Ok(None) };
    let Some(rest) = entry.key.strip_prefix(&beginning) else { return Ok(None) };
    let blob = match client.open(&entry).await {
        // An entry without its content is not there, although the service lists it.
        Err(handoff_storage::Error::Status { status: 404, .. }) => return Ok(None),
        opened => opened?,
    };
    if !rest.starts_with(ENCODED) {
        return Ok(Some(BlobLocation::plain(Some(entry.key), 0, blob.size())));
    }
    let stored = blob.size();
    let mut from = stored.saturating_sub(LIST_BYTES);
    let mut tail = blob.read(from..stored).await?;
    let Some(len) = Frames::encoded_list_len(&tail).filter(|len| *len <= stored) else { return Ok(None) };
    if len > tail.len() as u64 {
        from = stored - len;
        tail = blob.read(from..stored).await?;
    }
    let list = &tail[(stored - len - from) as usize..];
    // An entry without a valid list cannot be read, so it is not there.
    Ok(Frames::decode_list(list, stored).map(|(frames, size)| BlobLocation {
        entry: Some(entry.key),
        offset: 0,
        size,
        frames: Some(frames),
    }))
}

/// Reserves an entry for a blob of known digest, or finds the complete one of another job.
pub(crate) async fn reserve_blob(client: &CacheClient, digest: &Digest, is_encoded: bool) -> Result<Reserved, Error> {
    let base = format!("{}{}", blob_key(digest), if is_encoded { ENCODED } else { "" });
    reserve(client, &base, Wanted::Blob(digest)).await
}

/// Reserves an entry for a blob of unknown digest. `upload` is unique among all senders, so that nobody else has this key.
pub(crate) async fn reserve_upload(client: &CacheClient, upload: &str) -> Result<Reserved, Error> {
    let base = format!("handoff-relay-upload-{upload}");
    for attempt in 1..=MAX_ATTEMPTS {
        let key = numbered(&base, '.', attempt);
        if let Some(blob) = client.create(&key).await? {
            return Ok(Reserved::New { key, blob });
        }
    }
    Err(Error::Reserved(base))
}

/// Reserves the entry of an image's table. Receivers find every attempt by [`find_image`].
pub(crate) async fn reserve_image(client: &CacheClient, name: &str) -> Result<(String, BlobWriter), Error> {
    match reserve(client, &image_key(name), Wanted::Image(name)).await? {
        Reserved::New { key, blob } => Ok((key, blob)),
        Reserved::Stored(_) => Err(Error::Taken(name.to_owned())),
    }
}

/// Finds the complete table of an image: that of the first attempt, or the newest of the others.
pub(crate) async fn find_image(client: &CacheClient, name: &str) -> Result<Option<CacheEntry>, Error> {
    let (first, later) = (image_key(name), later_image_keys(name));
    let (first, later) = tokio::try_join!(client.find(&first), client.newest(&later))?;
    Ok(first.or(later))
}

/// Makes a written entry visible. An error may hide a success whose answer was lost, so the entry is looked up then.
pub(crate) async fn complete(client: &CacheClient, key: &str, size: u64) -> Result<(), Error> {
    let Err(error) = client.finalize(key, size).await else { return Ok(()) };
    let Ok(Some(entry)) = client.find(key).await else { return Err(error.into()) };
    let is_whole = client.open(&entry).await.is_ok_and(|blob| blob.size() == size);
    if is_whole { Ok(()) } else { Err(error.into()) }
}

/// Content of an entry to reserve.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Blob(&'a Digest),
    /// Table of the image of this name.
    Image(&'a str),
}

impl Wanted<'_> {
    /// Separator of a key and the attempt's number.
    fn separator(self) -> char {
        if matches!(self, Self::Blob(_)) { '.' } else { ':' }
    }

    /// Finds an entry that another job has completed.
    async fn find(self, client: &CacheClient) -> Result<Option<Reserved>, Error> {
        match self {
            Self::Blob(digest) => Ok(find_blob(client, digest).await?.map(Reserved::Stored)),
            Self::Image(name) if find_image(client, name).await?.is_some() => Err(Error::Taken(name.to_owned())),
            Self::Image(_) => Ok(None),
        }
    }
}

/// Reserves `base`, or a numbered key after it, unless another job completes an entry meanwhile.
async fn reserve(client: &CacheClient, base: &str, wanted: Wanted<'_>) -> Result<Reserved, Error> {
    let deadline = Instant::now() + ENTRY_WAIT_TIMEOUT;
    for attempt in 1..=MAX_ATTEMPTS {
        let key = numbered(base, wanted.separator(), attempt);
        if let Some(blob) = client.create(&key).await? {
            return Ok(Reserved::New { key, blob });
        }
        loop {
            if let Some(stored) = wanted.find(client).await? {
                return Ok(stored);
            }
            if Instant::now() >= deadline {
                break;
            }
            sleep(ENTRY_POLL_INTERVAL).await;
        }
    }
    Err(Error::Reserved(base.to_owned()))
}

fn numbered(base: &str, separator: char, attempt: u32) -> String {
    if attempt == 1 { base.to_owned() } else { format!("{base}{separator}{attempt}") }
}
