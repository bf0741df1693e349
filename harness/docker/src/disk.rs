//! Private file system of a job, in a file, so that each job starts on an empty disk as a fresh runner does.
//!
//! Without a journal, as on small virtual machines, ext4 does not reuse a freed inode for minutes (`recently_deleted` in
//! the kernel's `fs/ext4/ialloc.c`). Every new file then searches the freed inodes. The removed files of one trial thereby
//! slow the unpacking of the next one by half and more.
//!
//! A loop device mounts the file in the job's mount namespace and releases it at the unmount, so that nothing outlives the
//! job.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use handoff_machine::proc::mounts;

use crate::command::capture;
use crate::{EngineError, Programs};

/// Creates a sparse file system in `image`, as large as the free space around it, and mounts it on `dir`.
///
/// # Errors
/// The machine lacks loop devices or `mkfs.ext4`.
pub fn mount_private(programs: &Programs, image: &Path, dir: &Path) -> Result<(), EngineError> {
    create(programs, image, dir).inspect_err(|_| drop(fs::remove_file(image)))
}

fn create(programs: &Programs, image: &Path, dir: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(dir).map_err(EngineError::io("create", dir))?;
    let file = File::create(image).map_err(EngineError::io("create", image))?;
    let around = rustix::fs::fstatvfs(&file).map_err(std::io::Error::from);
    let around = around.map_err(EngineError::io("read the free space of", image))?;
    file.set_len(around.f_bavail * around.f_frsize).map_err(EngineError::io("resize", image))?;
    drop(file);
    // Lazy initialization writes tables at their first use, not in the background of a trial.
    let options = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"];
    run(programs, "mkfs.ext4", &options, &[image])?;
    run(programs, "mount", &["-t", "ext4", "-o", "loop,noinit_itable"], &[image, dir])?;
    // Direct I/O, where the machine supports it, keeps pages out of the page cache of the file below.
    if let Some(device) = device_of(dir) {
        let _ = run(programs, "losetup", &["--direct-io=on"], &[Path::new(&device)]);
    }
    Ok(())
}

fn run(programs: &Programs, program: &str, options: &[&str], paths: &[&Path]) -> Result<(), EngineError> {
    let args = options.iter().map(OsStr::new).chain(paths.iter().map(|p| p.as_os_str()));
    capture(&duct::cmd(programs.program(program)?, args).env("PATH", &programs.path), program).map(drop)
}

/// Counter of the bytes written to a file system of [`mount_private`].
#[derive(Debug)]
pub struct WriteCounter {
    dir: File,
    stat: PathBuf,
    start: u64,
}

impl WriteCounter {
    /// Writes dirty pages back and starts counting; none if no file system is mounted on the folder.
    pub fn start(dir: &Path) -> Option<Self> {
        let stat = stat_file(dir)?;
        let dir = File::open(dir).ok()?;
        rustix::fs::syncfs(&dir).ok()?;
        let start = written_bytes(&fs::read_to_string(&stat).ok()?)?;
        Some(Self { dir, stat, start })
    }

    /// Writes dirty pages back. Returns the bytes that have reached the device since the start.
    pub fn bytes(&self) -> Option<u64> {
        rustix::fs::syncfs(&self.dir).ok()?;
        Some(written_bytes(&fs::read_to_string(&self.stat).ok()?)?.saturating_sub(self.start))
    }
}

/// Bytes written to a block device, from its `stat` file. The seventh number counts sectors of 512 bytes on every device
/// (`Documentation/block/stat.rst` of the kernel).
pub(crate) fn written_bytes(stat: &str) -> Option<u64> {
    Some(stat.split_whitespace().nth(6)?.parse::<u64>().ok()? * 512)
}

/// Statistics of the device mounted on a folder.
pub(crate) fn stat_file(dir: &Path) -> Option<PathBuf> {
    Some(block_folder(dir)?.join("stat"))
}

/// Number of the device mounted on a folder, as `major:minor`.
pub(crate) fn device_number(dir: &Path) -> Option<String> {
    Some(fs::read_to_string(block_folder(dir)?.join("dev")).ok()?.trim().to_owned())
}

/// Folder of the kernel for the device mounted on a folder.
fn block_folder(dir: &Path) -> Option<PathBuf> {
    Some(Path::new("/sys/block").join(device_of(dir)?.strip_prefix("/dev/")?))
}

/// Device mounted on a folder.
fn device_of(dir: &Path) -> Option<String> {
    mounts().ok()?.into_iter().find(|mount| mount.point == dir).map(|mount| mount.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_written_are_512_times_the_seventh_number() {
        let stat = "     100        0     2048       10      300        1    4096       77        0      60       87        0        0        0        0        5        2\n";
        assert_eq!(written_bytes(stat), Some(4096 * 512));
        assert_eq!(written_bytes("1 2 3"), None);
    }

    #[test]
    fn plain_folder_has_no_write_counter() {
        let dir = tempfile::tempdir().unwrap();
        assert!(WriteCounter::start(dir.path()).is_none());
    }
}
