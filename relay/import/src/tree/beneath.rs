//! Opens folders beneath another one, never through a symbolic link or onto another file system.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::system;
use crate::error::{Error, Refusal};

/// Reason for which a folder is not opened.
#[derive(Debug)]
pub(crate) enum Beneath {
    Missing,
    Symlink,
    NoFolder,
    Failed(Errno),
}

/// Opens a folder by its path beneath `root`.
pub(crate) fn open_beneath(root: impl AsFd, path: &[u8]) -> Result<OwnedFd, Beneath> {
    // Without O_NOFOLLOW, with which a link is reported as a file. NO_SYMLINKS refuses the last component too.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve).map_err(|errno| match errno {
        Errno::NOENT => Beneath::Missing,
        Errno::LOOP => Beneath::Symlink,
        Errno::NOTDIR => Beneath::NoFolder,
        other => Beneath::Failed(other),
    })
}

impl Beneath {
    /// Error about the entry that names the folder.
    pub(crate) fn into_error(self, path: &[u8]) -> Error {
        match self {
            Self::Missing => system("opening", path, Errno::NOENT),
            Self::Symlink => Error::refused(path, Refusal::ThroughSymlink),
            Self::NoFolder => Error::refused(path, Refusal::ThroughFile),
            Self::Failed(errno) => system("opening", path, errno),
        }
    }
}
