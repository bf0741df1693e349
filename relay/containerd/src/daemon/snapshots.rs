//! Snapshots: prepared, committed, viewed.
//!
//! Pull gives snapshots the labels `containerd.io/snapshot.ref` and `containerd.io/snapshot/cri.*`. They are for remote
//! snapshotters such as stargz, and for the progress bar of a pull: an import sets none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Containerd, method};
use crate::error::{Code, allow};
use crate::gate::SNAPSHOTTER;
use crate::gate::mounts::{self, Folders};
use crate::proto::Empty;
use crate::proto::snapshots as wire;
use crate::{ActiveSnapshot, ChainId, Error, Lease, Refusal, SnapshotState};

/// Kind of a lease's resource.
const RESOURCE: &str = "snapshots/overlayfs";

fn key_request(key: &str) -> wire::KeyRequest {
    wire::KeyRequest { snapshotter: SNAPSHOTTER.to_owned(), key: key.to_owned() }
}

impl Containerd {
    pub(super) async fn prepare_snapshot(
        &self,
        lease: &Lease,
        chain: &ChainId,
        parent: Option<&ChainId>,
    ) -> Result<SnapshotState, Error> {
        let id = lease.id();
        if self.is_committed(chain).await? {
            self.hold(&id, RESOURCE, chain.as_str()).await?;
            // It may have been removed before the lease held it.
            if self.is_committed(chain).await? {
                return Ok(SnapshotState::Committed);
            }
        }
        let key = self.fresh(&id, "layer");
        let folders = self.prepare_key(&id, &key, parent).await?;
        match checked_upper(folders.upper.as_deref(), lease.staging()) {
            Ok(upper) => {
                let (chain, lower) = (chain.clone(), folders.lower);
                Ok(SnapshotState::Active(ActiveSnapshot { key, chain, upper, lower }))
            }
            Err(refusal) => {
                let _ = self.remove(&key).await;
                Err(refusal.into())
            }
        }
    }

    /// Prepares a snapshot and reads its mounts. One whose mounts are not understood is removed again.
    pub(super) async fn prepare_key(&self, lease: &str, key: &str, parent: Option<&ChainId>) -> Result<Folders, Error> {
        self.mounts_of(method::PREPARE_SNAPSHOT, lease, key, parent).await
    }

    async fn mounts_of(
        &self,
        method: crate::channel::Method,
        lease: &str,
        key: &str,
        parent: Option<&ChainId>,
    ) -> Result<Folders, Error> {
        let parent = parent.map(ToString::to_string).unwrap_or_default();
        let request = wire::PrepareRequest { snapshotter: SNAPSHOTTER.to_owned(), key: key.to_owned(), parent };
        let answer: wire::MountsResponse = self.call(method, Some(lease), &request).await?;
        match mounts::read(self.facts.root(), &answer.mounts) {
            Ok(folders) => Ok(folders),
            Err(refusal) => {
                let _ = self.remove(key).await;
                Err(refusal.into())
            }
        }
    }

    pub(super) async fn commit_snapshot(&self, lease: &Lease, snapshot: &ActiveSnapshot) -> Result<bool, Error> {
        let id = lease.id();
        let request = wire::CommitRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            name: snapshot.chain.to_string(),
            key: snapshot.key.clone(),
            labels: crate::proto::Labels::new(),
        };
        let committed = self.call::<_, Empty>(method::COMMIT_SNAPSHOT, Some(&id), &request).await;
        if allow(committed, Code::AlreadyExists)?.is_some() {
            return Ok(true);
        }
        // Another client, for example a pull of an image with the same layers, was faster.
        self.hold(&id, RESOURCE, snapshot.chain.as_str()).await?;
        self.remove(&snapshot.key).await.map(|()| false)
    }

    pub(super) async fn view_snapshot(&self, lease: &Lease, chain: &ChainId) -> Result<Vec<PathBuf>, Error> {
        let id = lease.id();
        let key = self.fresh(&id, "view");
        let folders = self.mounts_of(method::VIEW_SNAPSHOT, &id, &key, Some(chain)).await?;
        self.remove(&key).await?;
        match folders.upper {
            None => Ok(folders.lower),
            Some(upper) => Err(Refusal::Mount(format!("a view writes to {}", upper.display())).into()),
        }
    }

    async fn is_committed(&self, chain: &ChainId) -> Result<bool, Error> {
        let found: Result<wire::StatResponse, Error> =
            self.call(method::STAT_SNAPSHOT, None, &key_request(chain.as_str())).await;
        let info = allow(found, Code::NotFound)?.and_then(|found| found.info);
        Ok(info.is_some_and(|info| info.kind == wire::COMMITTED))
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        let removed = self.call::<_, Empty>(method::REMOVE_SNAPSHOT, None, &key_request(key)).await;
        allow(removed, Code::NotFound).map(drop)
    }
}

/// Checks the folder of a prepared snapshot: empty, and on the file system of the staging folder, so that a rename works.
fn checked_upper(upper: Option<&Path>, staging: &Path) -> Result<PathBuf, Refusal> {
    let upper = upper.ok_or_else(|| Refusal::Mount("it cannot be written to".to_owned()))?;
    let device = |path: &Path| fs::symlink_metadata(path).map(|m| m.dev()).map_err(|e| Refusal::folder(path, e));
    if device(upper)? != device(staging)? {
        return Err(Refusal::folder(upper, "it is on another file system than the staging folder"));
    }
    let mut entries = fs::read_dir(upper).map_err(|e| Refusal::folder(upper, e))?;
    if entries.next().is_some() {
        return Err(Refusal::folder(upper, "it is not empty"));
    }
    Ok(upper.to_owned())
}
