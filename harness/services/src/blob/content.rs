//! One blob: its file, its staged blocks and its committed content.
//!
//! Every body is written once, into a region of the file that is reserved at its beginning. Unused regions, for example of a
//! replaced block or an interrupted body, become holes in the file, which free their disk space.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

use super::blocklist::{self, BlockId, MAX_BLOCKS, Source};
use super::failure::Failure;
use super::layout::{Extent, Layout};
use crate::clock;

/// Owner of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) run: String,
    pub(crate) account: String,
}

/// Blob, from the creation of its entry.
pub(crate) struct Blob {
    pub(crate) owner: Owner,
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Offset of the next region.
    end: u64,
    staged: HashMap<BlockId, Extent>,
    /// Blocks of the committed blob by id; empty after a Put Blob.
    blocks: HashMap<BlockId, Extent>,
    committed: Option<Arc<Committed>>,
    /// Whether its entry was finalized, after which it never changes.
    sealed: bool,
    removed: bool,
    etag: u64,
}

/// Readable version of the blob.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) layout: Layout,
    pub(crate) etag: String,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) content_type: Option<String>,
}

/// Region that is being written. Dropping it unused frees its disk space.
pub(crate) struct Region<'a> {
    blob: &'a Blob,
    file: File,
    extent: Extent,
    used: bool,
}

impl Blob {
    pub(crate) fn new(file: PathBuf, owner: Owner, etag: u64) -> Self {
        Self { owner, file, state: Mutex::new(State { etag, ..State::default() }) }
    }

    /// Reserves a region for a body of `length` bytes.
    pub(crate) fn reserve(&self, length: u64) -> Result<Region<'_>, Failure> {
        let mut state = self.state();
        state.writable()?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.file);
        let file = file.map_err(|error| Failure::disk(&error))?;
        let extent = Extent { offset: state.end, length };
        state.end += length;
        Ok(Region { blob: self, file, extent, used: false })
    }

    /// Commits the blocks of `list` in its order and drops all others.
    pub(crate) fn commit(
        &self,
        list: &[(Source, BlockId)],
        content_type: Option<String>,
    ) -> Result<Arc<Committed>, Failure> {
        let mut state = self.state();
        state.writable()?;
        let mut blocks = HashMap::new();
        let mut extents = Vec::with_capacity(list.len());
        for (source, id) in list {
            let (staged, committed) = (state.staged.get(id), state.blocks.get(id));
            let found = match source {
                Source::Committed => committed,
                Source::Uncommitted => staged,
                Source::Latest => staged.or(committed),
            };
            let extent = *found.ok_or_else(|| {
                let id = blocklist::show(id);
                let message = format!("The specified block list is invalid: block {id} was never staged.");
                Failure::new(400, "InvalidBlockList", message)
            })?;
            blocks.insert(id.clone(), extent);
            extents.push(extent);
        }
        let dropped: Vec<Extent> = state.staged.drain().map(|(_, extent)| extent).collect();
        let dropped = dropped.into_iter().chain(state.blocks.drain().map(|(_, extent)| extent));
        let kept: std::collections::HashSet<u64> = extents.iter().map(|extent| extent.offset).collect();
        let dropped: Vec<Extent> = dropped.filter(|extent| !kept.contains(&extent.offset)).collect();
        state.blocks = blocks;
        let committed = state.publish(Layout::new(extents), content_type);
        drop(state);
        self.punch_holes(&dropped);
        Ok(committed)
    }

    /// Makes the blob immutable if `size` is its size. Otherwise returns its size, `None` when nothing is committed.
    pub(crate) fn seal(&self, size: u64) -> Result<(), Option<u64>> {
        let mut state = self.state();
        let stored = state.committed.as_ref().map(|committed| committed.layout.size());
        if stored != Some(size) {
            return Err(stored);
        }
        state.sealed = true;
        Ok(())
    }

    /// Opens the committed version and its file.
    pub(crate) fn open(&self) -> Result<(Arc<Committed>, File), Failure> {
        // Under the lock, so that the file is not removed meanwhile.
        let state = self.state();
        let committed = state.committed.clone().filter(|_| !state.removed).ok_or_else(Failure::not_found)?;
        // A blob of no bytes may have no file yet. Any other file that is missing was lost.
        let create = committed.layout.size() == 0;
        let file = OpenOptions::new().create(create).truncate(false).read(true).write(true).open(&self.file);
        file.map(|file| (committed, file)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::not_found(),
            _ => Failure::disk(&error),
        })
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        let state = self.state();
        let committed = state.committed.as_ref().map_or(0, |committed| committed.layout.size());
        committed + state.staged.values().map(|extent| extent.length).sum::<u64>()
    }

    pub(crate) fn remove(&self) {
        let mut state = self.state();
        state.removed = true;
        fs::remove_file(&self.file).ok();
    }

    fn punch_holes(&self, regions: &[Extent]) {
        let regions = regions.iter().filter(|region| region.length > 0);
        // A failure to free disk space does not fail the request.
        let Ok(file) = OpenOptions::new().write(true).open(&self.file) else { return };
        for region in regions {
            fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, region.offset, region.length).ok();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn writable(&self) -> Result<(), Failure> {
        if self.removed {
            Err(Failure::not_found())
        } else if self.sealed {
            Err(Failure::new(409, "BlobImmutableDueToPolicy", "The entry was finalized: its blob cannot change."))
        } else {
            Ok(())
        }
    }

    fn publish(&mut self, layout: Layout, content_type: Option<String>) -> Arc<Committed> {
        self.etag += 1;
        let etag = format!("\"0x{:016X}\"", self.etag);
        let committed = Arc::new(Committed { layout, etag, modified: clock::unix_seconds(), content_type });
        self.committed = Some(Arc::clone(&committed));
        committed
    }
}

impl Region<'_> {
    /// Writes at `at` within the region.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        self.file.write_all_at(bytes, self.extent.offset + at)
    }

    /// Stages the region as the block `id`; replaces an earlier one.
    pub(crate) fn stage(mut self, id: BlockId) -> Result<(), Failure> {
        let mut state = self.blob.state();
        state.writable()?;
        // All ids of a blob have one length, as Azure demands.
        if let Some(other) = state.staged.keys().next().filter(|other| other.len() != id.len()) {
            let (shown, length, other) = (blocklist::show(&id), id.len(), other.len());
            let message = format!("Block id {shown} has {length} bytes, and the blob's other ids have {other}.");
            return Err(Failure::new(400, "InvalidBlobOrBlock", message));
        }
        if state.staged.len() >= 2 * MAX_BLOCKS && !state.staged.contains_key(&id) {
            let message = format!("The blob has too many uncommitted blocks for block {}.", blocklist::show(&id));
            return Err(Failure::new(409, "BlockCountExceedsLimit", message));
        }
        let replaced = state.staged.insert(id, self.extent);
        drop(state);
        self.used = true;
        self.blob.punch_holes(replaced.as_slice());
        Ok(())
    }

    /// Commits the region as the whole blob.
    pub(crate) fn put(mut self, content_type: Option<String>) -> Result<Arc<Committed>, Failure> {
        let mut state = self.blob.state();
        state.writable()?;
        let mut dropped: Vec<Extent> = state.staged.drain().map(|(_, extent)| extent).collect();
        dropped.extend(state.blocks.drain().map(|(_, extent)| extent));
        let committed = state.publish(Layout::new([self.extent]), content_type);
        drop(state);
        self.used = true;
        self.blob.punch_holes(&dropped);
        Ok(committed)
    }
}

impl Drop for Region<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.blob.punch_holes(&[self.extent]);
        }
    }
}

#[cfg(test)]
mod tests;
