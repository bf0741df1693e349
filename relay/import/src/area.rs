//! Folder of an import's staging folders, with a lock that ends with the process.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;
use crate::tree::{Beneath, open_beneath, remove_all};

/// Start of the name of every such folder.
const PREFIX: &str = "handoff-import-";
/// Names that are tried: another process may have the same number in a namespace of its own.
const ATTEMPTS: u32 = 1000;

/// Folder for the staging folders of one import. Dropping it removes it.
///
/// The folder is locked while the import runs. A killed import leaves it unlocked, and [`remove_abandoned`] removes it.
#[derive(Debug)]
pub struct StagingArea {
    parent: OwnedFd,
    path: PathBuf,
    name: String,
    /// Holds the lock.
    _folder: OwnedFd,
}

impl StagingArea {
    /// Makes the folder in `parent`, which is on the file system of the engine's snapshots and belongs to the caller alone.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the folder cannot be made.
    pub fn create(parent: &Path) -> Result<Self, Error> {
        let folder = open_parent(parent)?;
        for attempt in 0..ATTEMPTS {
            let name = format!("{PREFIX}{}-{attempt}", std::process::id());
            let path = parent.join(&name);
            match rustix::fs::mkdirat(&folder, &name, Mode::from(0o700)) {
                Err(Errno::EXIST) => continue,
                made => made.map_err(Error::system("making folder", &path))?,
            }
            // Another import may take the folder for an abandoned one until it is locked.
            match lock(&folder, &name) {
                Ok(Some(locked)) => return Ok(Self { parent: folder, path, name, _folder: locked }),
                Ok(None) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::system("locking", path)(errno)),
            }
        }
        Err(Error::system("making a folder in", parent)(Errno::EXIST))
    }

    /// Path of the folder, for [`Staging::create`](crate::Staging::create).
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagingArea {
    fn drop(&mut self) {
        // What is left goes with the next call of `remove_abandoned`.
        let _ = remove_all(&self.parent, self.name.as_bytes());
    }
}

/// Removes the folders of imports that were killed, and returns their number.
///
/// # Errors
///
/// [`Error::System`] if such a folder cannot be removed.
pub fn remove_abandoned(parent: &Path) -> Result<usize, Error> {
    let folder = open_parent(parent)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder).map_err(Error::system("listing", parent))? {
        let entry = entry.map_err(Error::system("listing", parent))?;
        match entry.file_name().to_str() {
            Ok(name) if name.starts_with(PREFIX) => names.push(name.to_owned()),
            _ => {}
        }
    }
    let mut removed = 0;
    for name in names {
        match lock(&folder, &name) {
            Ok(Some(_locked)) => {
                remove_all(&folder, name.as_bytes()).map_err(Error::system("removing", parent.join(&name)))?;
                removed += 1;
            }
            // It runs, or another process was faster.
            Ok(None) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::system("locking", parent.join(&name))(errno)),
        }
    }
    Ok(removed)
}

fn open_parent(parent: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(parent, flags, Mode::empty()).map_err(Error::system("opening", parent))
}

/// Opens and locks a folder. `None` if another process holds the lock.
fn lock(parent: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    let folder = open_beneath(parent, name.as_bytes()).map_err(|failure| match failure {
        Beneath::Missing => Errno::NOENT,
        Beneath::Symlink | Beneath::NoFolder => Errno::NOTDIR,
        Beneath::Failed(errno) => errno,
    })?;
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    // The name may have gone, or be another folder's, between the two calls.
    let (ours, named) = (rustix::fs::fstat(&folder)?, rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?);
    if (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino) { Ok(Some(folder)) } else { Err(Errno::NOENT) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Staging;

    #[test]
    fn abandoned_folders_go_and_those_of_running_imports_stay() {
        let parent = tempfile::tempdir().unwrap();
        let area = StagingArea::create(parent.path()).unwrap();
        let staging = Staging::create(area.path(), "layer").unwrap();
        let abandoned = parent.path().join(format!("{PREFIX}1-0"));
        std::fs::create_dir_all(abandoned.join("layer/fs/a")).unwrap();
        std::fs::write(parent.path().join("other"), "x").unwrap();
        assert_eq!(remove_abandoned(parent.path()).unwrap(), 1);
        assert!(!abandoned.exists() && staging.path().exists());
        let second = StagingArea::create(parent.path()).unwrap();
        assert_ne!(second.path(), area.path());
        drop((staging, area, second));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
