//! Staged trees become snapshots, from the bottom up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use handoff_containerd::{ActiveSnapshot, Lease, SnapshotState, Store};

use super::{StagedTrees, stage::Tree};
use crate::Error;
use crate::attributes::apply_attributes;
use crate::failure::ImportError;
use crate::rules::Rules;
use crate::spec::Layer;

/// Device and inode of a folder.
type Inode = (u64, u64);

/// Maker of an image's snapshots.
pub(super) struct Committer<'a, S> {
    pub store: &'a S,
    pub lease: &'a Lease,
    pub layers: &'a [Layer],
    pub rules: Rules,
    /// Folders that became snapshots, by height.
    pub filled: BTreeMap<usize, Inode>,
}

impl<S: Store> Committer<'_, S> {
    /// Commits the snapshots from the height `first` on, as their trees come. `active` is the first one, prepared.
    pub(super) async fn run(
        mut self,
        first: usize,
        mut active: Option<ActiveSnapshot>,
        mut staged: StagedTrees,
    ) -> Result<Self, ImportError> {
        let mut trees = BTreeMap::new();
        for height in first..self.layers.len() {
            let tree = loop {
                if let Some(tree) = trees.remove(&height) {
                    break tree;
                }
                let Some((height, tree)) = staged.recv().await else {
                    return Err(ImportError::store("a layer is missing: report this"));
                };
                trees.insert(height, tree);
            };
            let snapshot = if let Some(snapshot) = active.take() {
                SnapshotState::Active(snapshot)
            } else {
                let parent = height.checked_sub(1).map(|below| &self.layers[below].chain);
                self.store.prepare(self.lease, &self.layers[height].chain, parent).await?
            };
            // A pull of an image with the same layers may have been faster.
            if let SnapshotState::Active(snapshot) = snapshot {
                self.commit(height, snapshot, tree).await?;
            }
        }
        Ok(self)
    }

    async fn commit(&mut self, height: usize, snapshot: ActiveSnapshot, tree: Tree) -> Result<(), ImportError> {
        let (upper, lower, rules) = (snapshot.upper.clone(), snapshot.lower.clone(), self.rules);
        let fill = move || {
            let Tree { staging, undescribed } = tree;
            apply_attributes(&staging, &undescribed, &lower, rules)?;
            let inode = inode(&staging.path())?;
            staging.move_over(&upper)?;
            Ok::<_, Error>(inode)
        };
        let inode = tokio::task::spawn_blocking(fill).await.map_err(super::thread_ended)??;
        if self.store.commit(self.lease, snapshot).await? {
            self.filled.insert(height, inode);
        }
        Ok(())
    }

    /// Compares the folders that a container gets with those that were filled.
    pub(super) async fn compare(&self) -> Result<(), ImportError> {
        let Some(top) = self.layers.last() else { return Ok(()) };
        let folders = self.store.view(self.lease, &top.chain).await?;
        let unlike = |why: String| ImportError::refused(format!("the engine sees other layers: {why}; pull the image"));
        if folders.len() != self.layers.len() {
            return Err(unlike(format!("{} folders instead of {}", folders.len(), self.layers.len())));
        }
        for (height, expected) in &self.filled {
            let folder = &folders[self.layers.len() - 1 - height];
            if inode(folder)? != *expected {
                return Err(unlike(format!("{} was not filled by the import", folder.display())));
            }
        }
        Ok(())
    }
}

fn inode(folder: &Path) -> Result<Inode, Error> {
    let failed = |source| Error::System { what: "reading", path: folder.to_owned(), source };
    fs::symlink_metadata(folder).map(|meta| (meta.dev(), meta.ino())).map_err(failed)
}
