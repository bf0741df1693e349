//! Removes an entry with everything in it.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, Mode};
use rustix::io::Errno;

use super::beneath::{Beneath, open_beneath};

/// Names that are read before they are removed.
const BATCH: usize = 1024;

/// Removes `name` from a folder, if it is there.
///
/// Recursion opens one folder a level. Paths of a layer have at most 128 components.
pub(crate) fn remove_all(folder: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let folder = folder.as_fd();
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says the first, POSIX the second.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(other) => return Err(other),
    }
    let mut inner = open_beneath(folder, name);
    if let Err(Beneath::Failed(Errno::ACCESS)) = inner {
        // Root needs no permission. Another user of this crate has made the folder, so it may change the mode.
        rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
        inner = open_beneath(folder, name);
    }
    let inner = match inner {
        Ok(inner) => inner,
        Err(Beneath::Missing) => return Ok(()),
        Err(Beneath::Symlink) => return Err(Errno::LOOP),
        Err(Beneath::NoFolder) => return Err(Errno::NOTDIR),
        Err(Beneath::Failed(errno)) => return Err(errno),
    };
    if !rustix::process::geteuid().is_root() {
        rustix::fs::fchmod(&inner, Mode::RWXU)?;
    }
    loop {
        let mut names = Vec::new();
        for entry in Dir::read_from(&inner)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
            if names.len() == BATCH {
                break;
            }
        }
        if names.is_empty() {
            break;
        }
        for name in names {
            remove_all(&inner, &name)?;
        }
    }
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}
