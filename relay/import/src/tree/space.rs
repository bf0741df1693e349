//! Free space above a reserve, so that an import never fills the engine's file system.

use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::error::Error;

/// Written bytes after which the free space is read again. Several layers write at once.
const CHECK_BYTES: u64 = 64 << 20;

/// Watch over the free space of a file system.
#[derive(Debug)]
pub(crate) struct Space {
    reserve: u64,
    unchecked: u64,
    path: PathBuf,
}

impl Space {
    /// Refuses a layer whose stated size does not fit.
    pub(crate) fn check_start(folder: impl AsFd, path: PathBuf, needed: u64, reserve: u64) -> Result<Self, Error> {
        let space = Self { reserve, unchecked: 0, path };
        space.check(folder, needed)?;
        Ok(space)
    }

    /// Counts bytes that will be written.
    pub(crate) fn add(&mut self, folder: impl AsFd, bytes: u64) -> Result<(), Error> {
        self.unchecked += bytes;
        if self.unchecked < CHECK_BYTES {
            return Ok(());
        }
        self.unchecked = 0;
        self.check(folder, CHECK_BYTES)
    }

    fn check(&self, folder: impl AsFd, needed: u64) -> Result<(), Error> {
        let stat = rustix::fs::fstatvfs(folder).map_err(Error::system("reading the free space of", &self.path))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize).saturating_sub(self.reserve);
        if free < needed {
            return Err(Error::NoSpace { path: self.path.clone(), free, needed });
        }
        Ok(())
    }
}
