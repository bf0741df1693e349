//! State of the fake store, and its collector of garbage.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Call, failed};
use crate::error::Code;
use crate::{Blob, Error, Image};

/// Complete blob.
#[derive(Debug)]
pub(super) struct FakeBlob {
    pub bytes: Bytes,
    pub labels: HashMap<String, String>,
}

/// Snapshot, committed or not.
#[derive(Debug)]
struct Snapshot {
    folder: PathBuf,
    parent: Option<String>,
    committed: bool,
}

#[derive(Debug)]
pub(super) struct State {
    folder: PathBuf,
    next: usize,
    pub calls: Vec<Call>,
    pub failures: HashSet<(Call, usize)>,
    /// Names of the blobs and snapshots that each lease holds.
    pub leases: BTreeMap<String, BTreeSet<String>>,
    pub blobs: BTreeMap<String, FakeBlob>,
    pub images: BTreeMap<String, Image>,
    snapshots: BTreeMap<String, Snapshot>,
}

impl State {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.join("snapshots"),
            next: 0,
            calls: Vec::new(),
            failures: HashSet::new(),
            leases: BTreeMap::new(),
            blobs: BTreeMap::new(),
            images: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        }
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    pub(super) fn take_lease(&mut self) -> String {
        let id = format!("lease-{}", self.number());
        self.leases.insert(id.clone(), BTreeSet::new());
        id
    }

    pub(super) fn fresh(&mut self, lease: &str) -> String {
        format!("{lease}-{}", self.number())
    }

    /// Lets a lease hold something. As in containerd, a lease that has expired holds nothing.
    pub(super) fn hold(&mut self, lease: &str, what: &str) -> Result<(), Error> {
        let held = self.leases.get_mut(lease).ok_or_else(|| failed("lease", Code::NotFound, lease))?;
        held.insert(what.to_owned());
        Ok(())
    }

    /// Prepares a snapshot. Returns its folder and those below.
    pub(super) fn prepare(
        &mut self,
        lease: &str,
        key: &str,
        parent: Option<&str>,
    ) -> Result<(PathBuf, Vec<PathBuf>), Error> {
        let lower = self.stack(parent);
        if let (Some(parent), true) = (parent, lower.is_empty()) {
            return Err(failed("prepare", Code::NotFound, parent));
        }
        self.hold(lease, key)?;
        let number = self.number();
        let folder = self.folder.join(number.to_string()).join("fs");
        fs::create_dir_all(&folder).map_err(|e| failed("prepare", Code::Other(13), &e.to_string()))?;
        let parent = parent.map(str::to_owned);
        self.snapshots.insert(key.to_owned(), Snapshot { folder: folder.clone(), parent, committed: false });
        Ok((folder, lower))
    }

    pub(super) fn commit(&mut self, lease: &str, key: &str, name: &str) -> Result<bool, Error> {
        self.hold(lease, name)?;
        let mut snapshot = self.snapshots.remove(key).ok_or_else(|| failed("commit", Code::NotFound, key))?;
        if self.snapshots.contains_key(name) {
            remove(&snapshot.folder);
            return Ok(false);
        }
        snapshot.committed = true;
        self.snapshots.insert(name.to_owned(), snapshot);
        Ok(true)
    }

    /// Folder of a committed snapshot.
    pub(super) fn folder_of(&self, name: &str) -> Option<PathBuf> {
        self.snapshots.get(name).filter(|s| s.committed).map(|s| s.folder.clone())
    }

    /// Folders of a committed snapshot and those below.
    pub(super) fn stack(&self, top: Option<&str>) -> Vec<PathBuf> {
        let snapshot = |name: &String| self.snapshots.get(name).filter(|s| s.committed);
        let names = std::iter::successors(top.map(str::to_owned), |name| snapshot(name)?.parent.clone());
        names.filter_map(|name| self.folder_of(&name)).collect()
    }

    /// Holds a blob that exists; false if there is none.
    pub(super) fn adopt(&mut self, lease: &str, blob: &Blob) -> Result<bool, Error> {
        let Some(found) = self.blobs.get_mut(blob.digest.as_str()) else { return Ok(false) };
        found.labels.extend(blob.labels.clone());
        self.hold(lease, blob.digest.as_str())?;
        Ok(true)
    }

    pub(super) fn put(&mut self, lease: &str, blob: &Blob, bytes: Bytes) -> Result<(), Error> {
        self.hold(lease, blob.digest.as_str())?;
        let labels = blob.labels.clone();
        self.blobs.insert(blob.digest.to_string(), FakeBlob { bytes, labels });
        Ok(())
    }

    /// Names of all that something refers to, there or not.
    fn reachable(&self, mut open: Vec<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !found.insert(name.clone()) {
                continue;
            }
            if let Some(blob) = self.blobs.get(&name) {
                let refers = |(label, _): &(&String, &String)| label.starts_with("containerd.io/gc.ref.");
                open.extend(blob.labels.iter().filter(refers).map(|(_, name)| name.clone()));
            }
            if let Some(parent) = self.snapshots.get(&name).and_then(|s| s.parent.clone()) {
                open.push(parent);
            }
        }
        found
    }

    fn image_roots(&self) -> Vec<String> {
        self.images.values().map(|image| image.digest.to_string()).collect()
    }

    pub(super) fn missing(&self) -> Vec<String> {
        let is_there = |name: &String| self.blobs.contains_key(name) || self.folder_of(name).is_some();
        self.reachable(self.image_roots()).into_iter().filter(|name| !is_there(name)).collect()
    }

    pub(super) fn collect(&mut self) {
        let roots = self.image_roots().into_iter().chain(self.leases.values().flatten().cloned()).collect();
        let kept = self.reachable(roots);
        self.blobs.retain(|name, _| kept.contains(name));
        self.snapshots.retain(|name, snapshot| {
            let keep = kept.contains(name);
            if !keep {
                remove(&snapshot.folder);
            }
            keep
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        let folders = fs::read_dir(&self.folder).map_or(0, Iterator::count);
        self.blobs.is_empty()
            && self.images.is_empty()
            && self.leases.is_empty()
            && self.snapshots.is_empty()
            && folders == 0
    }
}

/// Removes the folder of a snapshot, with the folder around it.
fn remove(fs_folder: &Path) {
    if let Some(folder) = fs_folder.parent() {
        let _ = fs::remove_dir_all(folder);
    }
}
