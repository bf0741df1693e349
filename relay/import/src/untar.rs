//! Unpacks a plain tar stream into a staging folder.

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Advice;

use crate::error::Error;
use crate::rules::Rules;
use crate::staging::Staging;
use crate::tar::{Entry, EntryKind, TarReader};
use crate::tree::{Space, Tree, UndescribedFolders, system};

/// Size from which a file's bytes are sent to the disk while the layer is unpacked.
///
/// Unmounting an overlay writes the whole file system below it back, and dockerd does so before each first container.
const WRITE_BACK_BYTES: u64 = 1 << 20;
/// Bytes between two requests for write-back of one file.
const WRITE_BACK_STEP: u64 = 8 << 20;
/// Bytes that an entry takes on the file system at least: an inode and its name.
const ENTRY_BYTES: u64 = 512;

/// How a layer is unpacked.
#[derive(Clone, Copy, Debug)]
pub struct UntarOptions {
    /// Whether no layer is below. containerd unpacks that one without overlayfs.
    pub is_lowest: bool,
    /// Largest sum of the files' bytes.
    pub max_bytes: u64,
    /// Bytes that must be free at the start.
    pub start_bytes: u64,
    /// Bytes of the file system that stay free.
    pub reserve_bytes: u64,
    /// Rules of the engine. Only tests change them.
    pub rules: Rules,
}

/// What was unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untarred {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of its files.
    pub file_bytes: u64,
    /// Folders whose attributes depend on the layers below.
    pub undescribed: UndescribedFolders,
}

/// Unpacks a tar stream to its end. Nothing outside the staging folder is touched.
///
/// # Errors
///
/// [`Error::Refused`] for what the engine would not unpack, or not with certainty to the same tree. The staging folder
/// then holds a part of the layer: drop it.
pub fn untar(stream: impl BufRead, staging: &Staging, options: UntarOptions) -> Result<Untarred, Error> {
    let root = staging.open_root()?;
    let needed = options.start_bytes;
    let mut space = Space::check_start(&root, staging.path(), needed, options.reserve_bytes)?;
    let mut tree = Tree::new(staging.open_root()?, options.is_lowest, options.rules);
    let mut reader = TarReader::new(stream);
    let mut done = Untarred::default();
    while let Some(entry) = reader.next_entry()? {
        done.entries += 1;
        let size = if let EntryKind::File(size) = entry.kind { size } else { 0 };
        done.file_bytes = done.file_bytes.saturating_add(size);
        if done.file_bytes > options.max_bytes {
            return Err(Error::Size { what: "layer", stated: options.max_bytes, got: done.file_bytes });
        }
        space.add(&root, ENTRY_BYTES)?;
        if let Some(file) = tree.make(&entry)? {
            write_file(&mut reader, &file, &entry, size, |bytes| space.add(&root, bytes))?;
            tree.finish_file(&file, &entry)?;
        }
    }
    done.undescribed = tree.finish()?;
    Ok(done)
}

fn write_file<R: BufRead>(
    reader: &mut TarReader<R>,
    file: &OwnedFd,
    entry: &Entry,
    size: u64,
    mut count: impl FnMut(u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let name = || entry.path.as_ref().map_or(&b""[..], |p| p.as_bytes());
    let (mut written, mut flushed) = (0, 0);
    loop {
        let data = reader.data()?;
        if data.is_empty() {
            break;
        }
        let bytes =
            rustix::io::retry_on_intr(|| rustix::io::write(file, data)).map_err(|e| system("writing", name(), e))?;
        reader.consume(bytes);
        written += bytes as u64;
        count(bytes as u64)?;
        if size >= WRITE_BACK_BYTES && (written == size || written - flushed >= WRITE_BACK_STEP) {
            start_write_back(file, flushed, written - flushed);
            flushed = written;
        }
    }
    Ok(())
}

/// Starts the write-back of a range without waiting for it.
///
/// `POSIX_FADV_DONTNEED` begins with `__filemap_fdatawrite_range(…, WB_SYNC_NONE)` (Linux, `mm/fadvise.c`), which is what
/// `sync_file_range(SYNC_FILE_RANGE_WRITE)` does. rustix has no safe binding of the latter. Pages that are being written
/// stay in memory. The request is an optimisation, so its error has no consequence.
fn start_write_back(file: impl AsFd, from: u64, bytes: u64) {
    let _ = rustix::fs::fadvise(file, from, std::num::NonZeroU64::new(bytes), Advice::DontNeed);
}
