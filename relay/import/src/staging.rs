//! Staging folder of one layer, on the file system of the engine's snapshots.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::error::Error;
use crate::tree::{open_beneath, remove_all};

/// Folder within the staging folder that becomes a snapshot's `fs`.
const ROOT: &str = "fs";

/// Folder that holds a layer until its commit. Dropping it removes it with everything in it.
///
/// The outer folder is closed to other users, because a layer may hold programs with setuid.
#[derive(Debug)]
pub struct Staging {
    parent: OwnedFd,
    parent_path: PathBuf,
    name: String,
}

impl Staging {
    /// Makes the folder `name` in `parent`, which belongs to the caller alone.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the folder exists or cannot be made.
    pub fn create(parent: &Path, name: &str) -> Result<Self, Error> {
        let path = parent.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(parent, flags, Mode::empty()).map_err(Error::system("opening", parent))?;
        rustix::fs::mkdirat(&folder, name, Mode::from(0o700)).map_err(Error::system("making folder", &path))?;
        let staging = Self { parent: folder, parent_path: parent.to_owned(), name: name.to_owned() };
        rustix::fs::mkdirat(&staging.parent, staging.root_name(), Mode::from(0o755))
            .and_then(|()| {
                rustix::fs::chmodat(&staging.parent, staging.root_name(), Mode::from(0o755), AtFlags::empty())
            })
            .map_err(Error::system("making folder", path.join(ROOT)))?;
        Ok(staging)
    }

    /// Root of the layer's tree.
    pub fn path(&self) -> PathBuf {
        self.parent_path.join(self.root_name())
    }

    /// Opens the root of the layer's tree.
    pub(crate) fn open_root(&self) -> Result<OwnedFd, Error> {
        open_beneath(&self.parent, self.root_name().as_bytes()).map_err(|e| e.into_error(self.name.as_bytes()))
    }

    /// Moves the tree over the empty folder of a prepared snapshot, whose owner and mode it takes.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if `upper` is not empty or on another file system.
    pub fn move_over(self, upper: &Path) -> Result<(), Error> {
        let root = self.open_root()?;
        let stat = rustix::fs::lstat(upper).map_err(Error::system("reading", upper))?;
        rustix::fs::fchown(&root, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
            .and_then(|()| rustix::fs::fchmod(&root, Mode::from_raw_mode(stat.st_mode)))
            .map_err(Error::system("changing the mode of", self.path()))?;
        rustix::fs::renameat(&self.parent, self.root_name(), rustix::fs::CWD, upper)
            .map_err(Error::system("moving the layer to", upper))
    }

    /// Removes the folder and reports a failure, which dropping it does not.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if a part of the folder cannot be removed.
    pub fn remove(self) -> Result<(), Error> {
        self.remove_now().map_err(Error::system("removing", self.parent_path.join(&self.name)))
    }

    fn remove_now(&self) -> Result<(), Errno> {
        remove_all(&self.parent, self.name.as_bytes())
    }

    fn root_name(&self) -> String {
        format!("{}/{ROOT}", self.name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left here goes with the lease, which holds the folder around it.
        let _ = self.remove_now();
    }
}
