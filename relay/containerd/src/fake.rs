//! Store in memory with snapshots in a folder, for tests of an importer: it fails on demand and collects garbage.
//!
//! ```
//! use std::time::Duration;
//! use handoff_containerd::fake::{Call, FakeStore};
//! use handoff_containerd::{ChainId, Digest, SnapshotState, Store};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let store = FakeStore::new(dir.path());
//! store.fail(Call::Commit, 0);
//! let lease = store.lease(Duration::from_mins(1)).await?;
//! let chain = ChainId::stack(&[Digest::of(b"layer")]).remove(0);
//! let SnapshotState::Active(snapshot) = store.prepare(&lease, &chain, None).await? else { panic!("it is new") };
//! assert!(store.commit(&lease, snapshot).await.is_err());
//! store.expire_leases();
//! assert!(store.is_empty());
//! # Ok(()) }
//! ```

mod state;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::error::Code;
use crate::{ActiveSnapshot, Blob, BlobWriter, ChainId, Digest, Error, Image, Lease, SnapshotState, Store};
use state::State;

/// Kind of call, for failures and for the list of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Store::lease`].
    Lease,
    /// [`Store::content`].
    Content,
    /// [`BlobWriter::write`].
    Write,
    /// [`BlobWriter::commit`].
    CommitContent,
    /// [`BlobWriter::abort`].
    Abort,
    /// [`Store::prepare`].
    Prepare,
    /// [`Store::commit`].
    Commit,
    /// [`Store::record`].
    Record,
    /// [`Store::renew`].
    Renew,
    /// [`Store::view`].
    View,
    /// [`Store::release`].
    Release,
}

/// Store in memory. Clones are the same store.
#[derive(Debug, Clone)]
pub struct FakeStore(Arc<Mutex<State>>);

impl FakeStore {
    /// Creates an empty store whose snapshots are in `folder/snapshots`.
    pub fn new(folder: &Path) -> Self {
        Self(Arc::new(Mutex::new(State::new(folder))))
    }

    /// Lets the call of that kind with this number, from 0, fail without an effect.
    pub fn fail(&self, call: Call, number: usize) {
        self.state().failures.insert((call, number));
    }

    /// Calls so far, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Complete blob.
    pub fn blob(&self, digest: &Digest) -> Option<Bytes> {
        self.state().blobs.get(digest.as_str()).map(|blob| blob.bytes.clone())
    }

    /// Labels of a complete blob.
    pub fn labels(&self, digest: &Digest) -> Option<HashMap<String, String>> {
        self.state().blobs.get(digest.as_str()).map(|blob| blob.labels.clone())
    }

    /// Image of a name.
    pub fn image(&self, name: &str) -> Option<Image> {
        self.state().images.get(name).cloned()
    }

    /// Folder of a committed snapshot.
    pub fn folder(&self, chain: &ChainId) -> Option<PathBuf> {
        self.state().folder_of(chain.as_str())
    }

    /// What images refer to and is not there: digests of blobs and chain IDs.
    pub fn missing(&self) -> Vec<String> {
        self.state().missing()
    }

    /// Collects garbage, as containerd does from time to time.
    pub fn collect(&self) {
        self.state().collect();
    }

    /// Lets all leases expire and collects garbage: what a killed import leaves in the end.
    pub fn expire_leases(&self) {
        let mut state = self.state();
        state.leases.clear();
        state.collect();
    }

    /// Whether nothing is there: no blob, image, lease or snapshot, and no folder.
    pub fn is_empty(&self) -> bool {
        self.state().is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and fails if a test asked for it.
    fn begin(&self, call: Call, name: &'static str) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        let number = state.calls.iter().filter(|c| **c == call).count();
        state.calls.push(call);
        if state.failures.contains(&(call, number)) { Err(Error::Injected(name)) } else { Ok(state) }
    }
}

impl Store for FakeStore {
    type Writer = FakeWriter;

    async fn lease(&self, lifetime: Duration) -> Result<Lease, Error> {
        let mut state = self.begin(Call::Lease, "lease")?;
        let id = state.take_lease();
        let staging = state.prepare(&id, &format!("{id}-staging"), None)?;
        Ok(Lease::new(id, lifetime, staging.0))
    }

    async fn content(&self, lease: &Lease, blob: Blob) -> Result<Option<FakeWriter>, Error> {
        let mut state = self.begin(Call::Content, "content")?;
        if state.adopt(&lease.id(), &blob)? {
            return Ok(None);
        }
        let (store, lease) = (self.clone(), lease.clone());
        Ok(Some(FakeWriter { store, lease, blob, bytes: Vec::new() }))
    }

    async fn prepare(&self, lease: &Lease, chain: &ChainId, parent: Option<&ChainId>) -> Result<SnapshotState, Error> {
        let mut state = self.begin(Call::Prepare, "prepare")?;
        let id = lease.id();
        if state.folder_of(chain.as_str()).is_some() {
            state.hold(&id, chain.as_str())?;
            return Ok(SnapshotState::Committed);
        }
        let key = state.fresh(&id);
        let (upper, lower) = state.prepare(&id, &key, parent.map(ChainId::as_str))?;
        Ok(SnapshotState::Active(ActiveSnapshot { key, chain: chain.clone(), upper, lower }))
    }

    async fn commit(&self, lease: &Lease, snapshot: ActiveSnapshot) -> Result<bool, Error> {
        self.begin(Call::Commit, "commit")?.commit(&lease.id(), &snapshot.key, snapshot.chain.as_str())
    }

    async fn record(&self, _lease: &Lease, image: &Image) -> Result<(), Error> {
        let mut state = self.begin(Call::Record, "record")?;
        let previous = state.images.insert(image.name.clone(), image.clone());
        if let Some(previous) = previous.filter(|p| p.digest != image.digest) {
            let name = format!("moby-dangling@{}", previous.digest);
            state.images.insert(name.clone(), Image { name, ..previous });
        }
        state.images.remove(&format!("moby-dangling@{}", image.digest));
        Ok(())
    }

    async fn renew(&self, lease: &Lease) -> Result<(), Error> {
        let mut state = self.begin(Call::Renew, "renew")?;
        let id = state.take_lease();
        for old in lease.ids() {
            for resource in state.leases.get(&old).cloned().unwrap_or_default() {
                state.hold(&id, &resource)?;
            }
        }
        lease.push(id);
        Ok(())
    }

    async fn view(&self, _lease: &Lease, chain: &ChainId) -> Result<Vec<PathBuf>, Error> {
        let state = self.begin(Call::View, "view")?;
        let stack = state.stack(Some(chain.as_str()));
        if stack.is_empty() { Err(failed("view", Code::NotFound, chain.as_str())) } else { Ok(stack) }
    }

    async fn release(&self, lease: &Lease, _wait: bool) -> Result<(), Error> {
        let mut state = self.begin(Call::Release, "release")?;
        for id in lease.ids() {
            state.leases.remove(&id);
        }
        state.collect();
        Ok(())
    }
}

/// Writer of a blob into a [`FakeStore`].
#[derive(Debug)]
pub struct FakeWriter {
    store: FakeStore,
    lease: Lease,
    blob: Blob,
    bytes: Vec<u8>,
}

impl BlobWriter for FakeWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        drop(self.store.begin(Call::Write, "write")?);
        self.bytes.extend_from_slice(&piece);
        if self.bytes.len() as u64 > self.blob.size {
            let why = format!("more than {} bytes came", self.blob.size);
            return Err(Error::Damaged { digest: self.blob.digest.to_string(), why });
        }
        Ok(())
    }

    async fn commit(self) -> Result<(), Error> {
        let mut state = self.store.begin(Call::CommitContent, "commit of content")?;
        let got = Digest::of(&self.bytes);
        if got != self.blob.digest {
            let why = format!("{} bytes with the digest {got} came", self.bytes.len());
            return Err(Error::Damaged { digest: self.blob.digest.to_string(), why });
        }
        state.put(&self.lease.id(), &self.blob, self.bytes.into())
    }

    async fn abort(self) -> Result<(), Error> {
        self.store.begin(Call::Abort, "abort").map(drop)
    }
}

/// Error with the status of containerd.
fn failed(call: &'static str, code: Code, what: &str) -> Error {
    Error::Status { call, code, message: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    const HOUR: Duration = Duration::from_hours(1);

    async fn put(store: &FakeStore, lease: &Lease, bytes: &'static [u8], labels: HashMap<String, String>) -> Digest {
        let digest = Digest::of(bytes);
        let blob = Blob { digest: digest.clone(), size: bytes.len() as u64, labels };
        if let Some(mut writer) = store.content(lease, blob).await.unwrap() {
            writer.write(Bytes::from_static(bytes)).await.unwrap();
            writer.commit().await.unwrap();
        }
        digest
    }

    #[tokio::test]
    async fn image_stays_after_release_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let store = FakeStore::new(dir.path());
        let lease = store.lease(HOUR).await.unwrap();
        let stack = ChainId::stack(&[Digest::of(b"1"), Digest::of(b"2")]);
        let mut parent = None;
        for chain in &stack {
            let SnapshotState::Active(snapshot) = store.prepare(&lease, chain, parent).await.unwrap() else { panic!() };
            assert_eq!(snapshot.lower.len(), usize::from(parent.is_some()));
            store.commit(&lease, snapshot).await.unwrap();
            parent = Some(chain);
        }
        let config = put(&store, &lease, b"config", labels::of_config(parent)).await;
        put(&store, &lease, b"other", HashMap::new()).await;
        store.renew(&lease).await.unwrap();
        let image = Image { name: "a".to_owned(), media_type: String::new(), digest: config.clone(), size: 6 };
        store.record(&lease, &image).await.unwrap();
        store.release(&lease, true).await.unwrap();
        assert_eq!(store.missing(), Vec::<String>::new());
        assert!(store.blob(&config).is_some() && store.blob(&Digest::of(b"other")).is_none());
        assert_eq!(store.view(&lease, &stack[1]).await.unwrap().len(), 2);
        assert!(!lease.staging().exists());
    }

    #[tokio::test]
    async fn damaged_blob_and_commit_without_a_lease_fail() {
        let dir = tempfile::tempdir().unwrap();
        let store = FakeStore::new(dir.path());
        let lease = store.lease(HOUR).await.unwrap();
        let blob = Blob { digest: Digest::of(b"right"), size: 5, labels: HashMap::new() };
        let mut writer = store.content(&lease, blob.clone()).await.unwrap().unwrap();
        writer.write(Bytes::from_static(b"wrong")).await.unwrap();
        assert!(matches!(writer.commit().await, Err(Error::Damaged { .. })));
        let mut writer = store.content(&lease, blob).await.unwrap().unwrap();
        writer.write(Bytes::from_static(b"right")).await.unwrap();
        store.expire_leases();
        assert!(writer.commit().await.unwrap_err().is(Code::NotFound));
        assert!(store.is_empty());
    }
}
