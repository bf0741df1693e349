//! Measurement of a job's private disk by its device's counter, for the check of a disk limit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use handoff_model::DiskLimit;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{EngineError, disk};

const CHUNK: usize = 1 << 20;
/// Bytes of a direct read: many requests of the device, which then is busy without a pause.
const READ_CHUNK: usize = 8 << 20;
/// Alignment of direct reads: the page size, which every block size divides.
const ALIGNMENT: usize = 4096;
/// Time that a limited phase should take, which sets the bytes of the large file.
const SECONDS: u64 = 3;
/// Bounds of the large file: long enough to measure, and no more than small machines keep in memory.
const LARGE_BYTES: (u64, u64) = (256 << 20, 1536 << 20);
const SMALL_FILES: u32 = 20_000;
const SMALL_FILE_BYTES: usize = 16 << 10;
const FILES_PER_FOLDER: u32 = 256;
/// Longest time of the direct reads.
const READ_TIME: Duration = Duration::from_secs(SECONDS);

/// Bytes that a device moved in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Bytes.
    pub bytes: u64,
    /// Time in ns.
    pub ns: u64,
}

impl Moved {
    /// Rate in bytes a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / (self.ns.max(1) as f64 / 1e9)
    }
}

/// Rates of a private disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskCheck {
    /// Write-back of a large file that was written through the page cache: the sync alone.
    pub write_back: Moved,
    /// Reads of the large file past the page cache.
    pub direct_read: Moved,
    /// Many small files, written through the page cache and synced: all of it.
    pub small_files: Moved,
}

/// Measures the private disk mounted on a folder, which has this limit.
///
/// # Errors
/// No private disk is mounted on the folder, or its files cannot be written.
pub fn measure(dir: &Path, limit: DiskLimit) -> Result<DiskCheck, EngineError> {
    let no_disk = || EngineError::NoDiskLimit("the job has no file system of its own on a loop device".to_owned());
    let device = Device { stat: disk::stat_file(dir).ok_or_else(no_disk)?, dir: dir.to_owned() };
    let scratch = dir.join("disk-check");
    let measure = || {
        fs::create_dir_all(&scratch)?;
        let large = scratch.join("large");
        let (least, most) = LARGE_BYTES;
        let bytes = limit.write.map_or(least * 2, |rate| rate * SECONDS).clamp(least, most);
        write_large(&large, bytes)?;
        let write_back = device.written(|| Ok(()))?;
        let direct_read = read_direct(&large)?;
        fs::remove_file(&large)?;
        let small_files = device.written(|| write_small(&scratch))?;
        fs::remove_dir_all(&scratch)?;
        Ok(DiskCheck { write_back, direct_read, small_files })
    };
    measure().map_err(EngineError::io("measure", &scratch))
}

struct Device {
    stat: PathBuf,
    dir: PathBuf,
}

impl Device {
    fn bytes(&self) -> io::Result<u64> {
        disk::written_bytes(&fs::read_to_string(&self.stat)?)
            .ok_or_else(|| io::Error::other("the kernel counts no sectors for it"))
    }

    /// Bytes that reach the device during `work` and the sync after it.
    fn written(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<Moved> {
        let dir = File::open(&self.dir)?;
        let (before, started) = (self.bytes()?, Instant::now());
        work()?;
        rustix::fs::syncfs(&dir)?;
        let ns = started.elapsed().as_nanos() as u64;
        Ok(Moved { bytes: self.bytes()? - before, ns })
    }
}

fn write_large(path: &Path, bytes: u64) -> io::Result<()> {
    let chunk = vec![0x5a; CHUNK];
    let mut file = File::create(path)?;
    (0..bytes / CHUNK as u64).try_for_each(|_| file.write_all(&chunk))
}

fn read_direct(path: &Path) -> io::Result<Moved> {
    let direct = OFlags::DIRECT.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(direct).open(path)?;
    let mut buffer = vec![0; READ_CHUNK + ALIGNMENT];
    let start = buffer.as_ptr().align_offset(ALIGNMENT);
    let aligned = &mut buffer[start..start + READ_CHUNK];
    let (mut bytes, started) = (0, Instant::now());
    while started.elapsed() < READ_TIME {
        match file.read(aligned)? {
            0 => break,
            read => bytes += read as u64,
        }
    }
    Ok(Moved { bytes, ns: started.elapsed().as_nanos() as u64 })
}

fn write_small(dir: &Path) -> io::Result<()> {
    let content = vec![0x5a; SMALL_FILE_BYTES];
    for number in 0..SMALL_FILES {
        let folder = dir.join(format!("small-{}", number / FILES_PER_FOLDER));
        if number % FILES_PER_FOLDER == 0 {
            fs::create_dir(&folder)?;
        }
        fs::write(folder.join(number.to_string()), &content)?;
    }
    Ok(())
}
