//! Calls of an import, which the real store and the fake have in common.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{ChainId, Digest, Error};

/// Image store of an engine that an importer writes into.
///
/// An import makes five calls: [`lease`](Store::lease), and then for each layer [`content`](Store::content),
/// [`prepare`](Store::prepare) and [`commit`](Store::commit), and last [`record`](Store::record). Nothing is visible to the
/// engine's users before the record. Three more calls keep house: [`renew`](Store::renew), [`view`](Store::view) and
/// [`release`](Store::release).
pub trait Store: Clone + Send + Sync + 'static {
    /// Writer of a blob.
    type Writer: BlobWriter;

    /// Takes a lease, which holds all that the import makes, and a staging folder on the snapshots' file system.
    ///
    /// The lease expires after `lifetime`: an import that is killed leaves nothing that lasts.
    ///
    /// # Errors
    /// The store refuses, or what it prepares is not surely understood ([`Error::NotSure`]).
    fn lease(&self, lifetime: Duration) -> impl Future<Output = Result<Lease, Error>> + Send;

    /// Opens a writer of a blob; none if the store has the blob, which the lease then holds too.
    ///
    /// # Errors
    /// The store refuses.
    fn content(&self, lease: &Lease, blob: Blob) -> impl Future<Output = Result<Option<Self::Writer>, Error>> + Send;

    /// Prepares the snapshot `chain` on top of `parent`, unless the store has it.
    ///
    /// # Errors
    /// The parent does not exist, the store refuses, or the mounts are not surely understood ([`Error::NotSure`]).
    fn prepare(
        &self,
        lease: &Lease,
        chain: &ChainId,
        parent: Option<&ChainId>,
    ) -> impl Future<Output = Result<SnapshotState, Error>> + Send;

    /// Commits a prepared snapshot. Returns false if another client has committed it meanwhile: its folder is the snapshot's
    /// then, and this one is removed.
    ///
    /// # Errors
    /// The store refuses, for example because the lease has expired.
    fn commit(&self, lease: &Lease, snapshot: ActiveSnapshot) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Names the image, which makes it visible. An image that has the name already becomes dangling, as at a pull.
    ///
    /// # Errors
    /// The store refuses.
    fn record(&self, lease: &Lease, image: &Image) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes a further lease that holds all that the lease holds, for its whole lifetime again.
    ///
    /// Call it when [`Lease::renewal_is_due`]. Calls in progress may go on meanwhile.
    ///
    /// # Errors
    /// The store refuses.
    fn renew(&self, lease: &Lease) -> impl Future<Output = Result<(), Error>> + Send;

    /// Folders of a committed snapshot's layers, topmost first, as a new container gets them.
    ///
    /// An importer compares them with the folders that it filled, before it makes the record.
    ///
    /// # Errors
    /// The snapshot does not exist, or the mounts are not surely understood ([`Error::NotSure`]).
    fn view(&self, lease: &Lease, chain: &ChainId) -> impl Future<Output = Result<Vec<PathBuf>, Error>> + Send;

    /// Ends the lease. All that no record holds is removed, the staging folder too: before this returns if `wait` is set,
    /// else soon.
    ///
    /// # Errors
    /// The store does not answer. What is left goes when the lease expires.
    fn release(&self, lease: &Lease, wait: bool) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Writer of one blob. A dropped one leaves the blob unfinished; it goes with the lease.
pub trait BlobWriter: Send + 'static {
    /// Appends bytes. Returns before they are on the disk; how many wait is bounded.
    ///
    /// # Errors
    /// The store refuses, or more bytes come than were announced.
    fn write(&mut self, piece: Bytes) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes the blob complete. A blob that another client has completed meanwhile is no error.
    ///
    /// # Errors
    /// The bytes are not those that were announced, or the store refuses.
    fn commit(self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes the unfinished blob.
    ///
    /// # Errors
    /// The store does not answer.
    fn abort(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Blob to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Digest.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Labels, see [`labels`](crate::labels). A blob that is there already gets them too.
    pub labels: HashMap<String, String>,
}

/// State of a snapshot after [`Store::prepare`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// The store has the snapshot, and the lease holds it now.
    Committed,
    /// Snapshot to fill and to commit.
    Active(ActiveSnapshot),
}

/// Snapshot that is prepared and not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSnapshot {
    /// Key until it is committed.
    pub key: String,
    /// Name after it is committed.
    pub chain: ChainId,
    /// Empty folder for the layer's tree. A folder with the tree may be renamed over it.
    pub upper: PathBuf,
    /// Folders of the layers below, topmost first.
    pub lower: Vec<PathBuf>,
}

/// Image record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Full name, see [`full_name`](crate::full_name).
    pub name: String,
    /// Media type of the manifest or index.
    pub media_type: String,
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// Size of the manifest or index in bytes.
    pub size: u64,
}

/// Lease of an import, and its staging folder. Clones are the same lease.
#[derive(Debug, Clone)]
pub struct Lease {
    staging: PathBuf,
    lifetime: Duration,
    /// Leases in the order of their creation: each renewal adds one.
    terms: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Lease {
    /// Lease with its first term.
    pub(crate) fn new(id: String, lifetime: Duration, staging: PathBuf) -> Self {
        Self { staging, lifetime, terms: Arc::new(Mutex::new(vec![(id, Instant::now())])) }
    }

    /// Empty folder on the snapshots' file system, for trees that are renamed into snapshots later. It goes with the lease.
    pub fn staging(&self) -> &std::path::Path {
        &self.staging
    }

    /// Lifetime of each term.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Whether a third of the lifetime has passed since the last term began.
    ///
    /// With a third, a resource that a call in progress adds to an old term is taken over by the next renewal, before the old
    /// term expires.
    pub fn renewal_is_due(&self) -> bool {
        self.terms().last().is_none_or(|(_, begin)| begin.elapsed() >= self.lifetime / 3)
    }

    /// Identifier of the newest term.
    pub fn id(&self) -> String {
        self.terms().last().map(|(id, _)| id.clone()).unwrap_or_default()
    }

    /// Identifiers of all terms, oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.terms().iter().map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn push(&self, id: String) {
        self.terms().push((id, Instant::now()));
    }

    fn terms(&self) -> MutexGuard<'_, Vec<(String, Instant)>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_due_after_a_third_and_names_a_new_term() {
        let lease = Lease::new("a".to_owned(), Duration::from_hours(1), PathBuf::new());
        assert!(!lease.renewal_is_due());
        lease.push("b".to_owned());
        assert_eq!((lease.id(), lease.ids()), ("b".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
        assert!(Lease::new("a".to_owned(), Duration::ZERO, PathBuf::new()).renewal_is_due());
    }
}
