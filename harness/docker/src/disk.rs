//! A file system of a job's own, in a file, as a fresh runner has one.
//!
//! ext4 without a journal, as small virtual machines have it, does not give an inode number again within minutes of a file's
//! removal (`recently_deleted` in the kernel's `fs/ext4/ialloc.c`, so that a crash cannot bring back what was removed): whoever
//! makes files then, looks at every number freed lately. A trial that is removed thereby slows down the next one's
//! unpacking, by half and more, and no runner that starts empty knows that. A file system that is new with each job has no
//! removed files, and goes with one file.
//!
//! It is mounted in the job's own mount namespace, by a loop device that lets go of the file when it is unmounted: the end
//! of the job, however it comes, takes both away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Programs;

/// Makes a file system in `image`, as large as what is free around it, and mounts it on `dir`. The file is sparse: it
/// takes what is written.
///
/// # Errors
/// Why it could not be, one line: a machine without loop devices, or without `mkfs.ext4`.
pub fn mount_own(programs: &Programs, image: &Path, dir: &Path) -> Result<(), String> {
    let made = make(programs, image, dir);
    if made.is_err() {
        let _ = fs::remove_file(image);
    }
    made
}

fn make(programs: &Programs, image: &Path, dir: &Path) -> Result<(), String> {
    let io = |e: std::io::Error| format!("{}: {e}", image.display());
    fs::create_dir_all(dir).map_err(io)?;
    let file = File::create(image).map_err(io)?;
    let around = rustix::fs::fstatvfs(&file).map_err(|e| io(e.into()))?;
    file.set_len(around.f_bavail * around.f_frsize).map_err(io)?;
    drop(file);
    // Tables are written when they are first used, not in the background of a trial.
    run(
        programs,
        "mkfs.ext4",
        &["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"],
        &[image],
    )?;
    run(programs, "mount", &["-t", "ext4", "-o", "loop,noinit_itable"], &[image, dir])?;
    // Past the page cache of the file below, where that can be: nothing is kept twice.
    if let Some(device) = device_of(dir) {
        let _ = run(programs, "losetup", &["--direct-io=on"], &[Path::new(&device)]);
    }
    Ok(())
}

fn run(programs: &Programs, program: &str, options: &[&str], paths: &[&Path]) -> Result<(), String> {
    let found = programs.program(program).map_err(|_| format!("there is no {program}"))?;
    let mut command = Command::new(found);
    command.args(options).args(paths).env("PATH", &programs.path);
    let out = command.output().map_err(|e| format!("{program}: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr).trim().replace('\n', "; ");
    Err(format!("{program} ended with {}: {said}", out.status))
}

/// Counts what is written to a file system made by [`mount_own`].
#[derive(Debug)]
pub struct Written {
    dir: File,
    stat: PathBuf,
    start: u64,
}

impl Written {
    /// Writes back what is dirty and starts counting; none where the folder is no file system of its own.
    pub fn start(dir: &Path) -> Option<Self> {
        let device = device_of(dir)?;
        let stat = Path::new("/sys/block").join(device.strip_prefix("/dev/")?).join("stat");
        let dir = File::open(dir).ok()?;
        rustix::fs::syncfs(&dir).ok()?;
        let start = written_bytes(&fs::read_to_string(&stat).ok()?)?;
        Some(Self { dir, stat, start })
    }

    /// Writes back what is dirty; bytes that have reached the file system's device since the start.
    pub fn bytes(&self) -> Option<u64> {
        rustix::fs::syncfs(&self.dir).ok()?;
        Some(written_bytes(&fs::read_to_string(&self.stat).ok()?)?.saturating_sub(self.start))
    }
}

/// Bytes written to a block device, from its `stat` file (`Documentation/block/stat.rst` of the kernel): the seventh number
/// is sectors of 512 bytes, whatever the device's own sectors are.
fn written_bytes(stat: &str) -> Option<u64> {
    Some(stat.split_whitespace().nth(6)?.parse::<u64>().ok()? * 512)
}

/// What is mounted on a folder, by this process's table.
fn device_of(dir: &Path) -> Option<String> {
    let table = fs::read_to_string("/proc/self/mounts").ok()?;
    table.lines().find_map(|line| {
        let (device, rest) = line.split_once(' ')?;
        (Path::new(rest.split(' ').next()?) == dir).then(|| device.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_sectors_of_512_bytes_are_the_seventh_number() {
        let stat = "     100        0     2048       10      300        1    4096       77        0      60       87        0        0        0        0        5        2\n";
        assert_eq!(written_bytes(stat), Some(4096 * 512));
        assert_eq!(written_bytes("1 2 3"), None);
    }

    #[test]
    fn a_folder_that_is_no_file_system_is_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Written::start(dir.path()).is_none());
    }
}
