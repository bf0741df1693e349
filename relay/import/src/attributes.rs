//! Attributes that folders take from the layers below.
//!
//! Follows containerd's `mkparent` with `WithParents`: the first layer below that has the name decides. If it has a folder,
//! owner, mode, times and attributes are copied; else the folder keeps mode 0755.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::error::{Error, Refusal, printable};
use crate::rules::Rules;
use crate::staging::Staging;
use crate::tree::{Folder, ParentState, UndescribedFolders, open_beneath, system};

/// Set-group-id of a folder.
const SETGID: u32 = 0o2000;

/// Gives the folders that a layer does not describe what they have in the layers below.
///
/// `lower` is the list `lowerdir` of the prepared snapshot, uppermost layer first. Call it before
/// [`Staging::move_over`]. The lowest layer needs no call.
///
/// # Errors
///
/// [`Error::Refused`] if a layer below cannot be read as the engine reads it.
pub fn apply_attributes(
    staging: &Staging,
    folders: &UndescribedFolders,
    lower: &[PathBuf],
    rules: Rules,
) -> Result<(), Error> {
    if folders.is_empty() || !rules.inherit {
        return Ok(());
    }
    let root = staging.open_root()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &PathBuf| rustix::fs::open(path, flags, Mode::empty()).map_err(Error::system("opening", path));
    let lower: Vec<OwnedFd> = lower.iter().map(open).collect::<Result<_, _>>()?;
    // Groups that folders give to those in them, while they have setgid.
    let mut given: HashMap<&[u8], Option<u32>> = HashMap::new();
    for (path, folder) in folders.iter() {
        let source = find(&lower, path)?;
        let group = match &source {
            Some((_, stat)) => (stat.st_mode & SETGID != 0).then_some(stat.st_gid),
            None => None,
        };
        given.insert(path, group);
        let target = open_beneath(&root, path).map_err(|e| e.into_error(path))?;
        match source {
            Some((source, stat)) => copy(&target, &source, &stat, *folder, path)?,
            None if !folder.described && folder.parent == ParentState::Undescribed => {
                if let Some(Some(group)) = given.get(above(path)) {
                    rustix::fs::fchown(&target, None, Some(Gid::from_raw(*group)))
                        .map_err(|e| system("changing the group of", path, e))?;
                }
            }
            None => {}
        }
    }
    Ok(())
}

/// Folder above a path.
fn above(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&b| b == b'/').map_or(b"", |at| &path[..at])
}

/// Folder of this name in the first layer that has the name. `None` if there is none, or something else.
fn find(lower: &[OwnedFd], path: &[u8]) -> Result<Option<(OwnedFd, Stat)>, Error> {
    let refused = |how| Err(Error::refused(path, Refusal::LowerFolder(how)));
    let failed = |e| system("opening, in a lower layer,", path, e);
    for layer in lower {
        let found = match open_node(layer, path) {
            Err(Errno::NOENT) => continue,
            // containerd resolves links with rules of its own (`fs.RootPath`), and fails on the second.
            Err(Errno::LOOP) => return refused("through a symbolic link"),
            Err(Errno::NOTDIR) => return refused("through something that is no folder"),
            found => found.map_err(failed)?,
        };
        let stat = rustix::fs::fstat(&found).map_err(failed)?;
        return match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let folder = open_beneath(layer, path).map_err(|e| e.into_error(path))?;
                Ok(Some((folder, stat)))
            }
            FileType::Symlink => refused("through a symbolic link"),
            _ => Ok(None),
        };
    }
    Ok(None)
}

fn open_node(layer: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(layer, path, flags, Mode::empty(), resolve)
}

/// Copies what a folder would have taken when it was made, and what later entries left of it.
fn copy(target: &OwnedFd, source: &OwnedFd, stat: &Stat, folder: Folder, path: &[u8]) -> Result<(), Error> {
    if !folder.described {
        let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::fchown(target, Some(owner.0), Some(owner.1))
            .map_err(|e| system("changing the owner of", path, e))?;
        rustix::fs::fchmod(target, Mode::from_raw_mode(stat.st_mode))
            .map_err(|e| system("changing the mode of", path, e))?;
    }
    copy_attributes(target, source).map_err(|failure| match failure {
        CopyFailure::AccessList(name) => Error::refused(path, Refusal::Attribute(name)),
        CopyFailure::System(errno) => system("copying the attributes of", path, errno),
    })?;
    if !folder.described && !folder.touched {
        let times = Timestamps {
            last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec.cast_signed() },
            last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() },
        };
        rustix::fs::futimens(target, &times).map_err(|e| system("setting the times of", path, e))?;
    }
    Ok(())
}

enum CopyFailure {
    AccessList(String),
    System(Errno),
}

impl From<Errno> for CopyFailure {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

/// Copies the attributes that the layer itself has not set (`copyUpXAttrs`).
fn copy_attributes(target: &OwnedFd, source: &OwnedFd) -> Result<(), CopyFailure> {
    for name in list(source)? {
        if name.starts_with(b"trusted.") {
            continue;
        }
        // New files inherit such a list, so the layer's own files would differ from the engine's.
        if name.starts_with(b"system.") {
            return Err(CopyFailure::AccessList(printable(&name)));
        }
        let mut value = vec![0; rustix::fs::fgetxattr_query(source, &name[..])?];
        let len = rustix::fs::fgetxattr(source, &name[..], &mut value[..])?;
        match rustix::fs::fsetxattr(target, &name[..], &value[..len], XattrFlags::CREATE) {
            Err(Errno::EXIST | Errno::OPNOTSUPP | Errno::NODATA) => {}
            set => set?,
        }
    }
    Ok(())
}

/// Names of the attributes of a file. File systems without attributes have none.
fn list(file: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = match rustix::fs::flistxattr_query(file) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        len => vec![0_u8; len?],
    };
    let len = rustix::fs::flistxattr(file, &mut names[..])?;
    Ok(names[..len].split(|&b| b == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Reads the options of an overlay mount: folders of the layers below, uppermost first.
///
/// Returns `None` if a folder's name holds a colon or an escape, which the list cannot carry.
pub fn lower_folders(lowerdir: &str) -> Option<Vec<&Path>> {
    if lowerdir.contains('\\') || lowerdir.contains("::") || lowerdir.is_empty() {
        return None;
    }
    Some(lowerdir.split(':').map(Path::new).collect())
}
