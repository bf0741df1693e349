//! Short measurement of the file system that a job's files are on: how fast it takes a large file, and many small ones.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use handoff_model::{DiskMeasurement, DiskSpeed};

/// How much is written at most. Whichever of size and time is reached first ends a part.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the large file.
    pub write_bytes: u64,
    /// Bytes between two syncs.
    pub sync_bytes: u64,
    /// Number of small files.
    pub files: u64,
    /// Size of each.
    pub file_bytes: u64,
    /// Time for each of the two parts. A sync that has begun is waited for.
    pub time: Duration,
}

impl Default for Limits {
    /// 256 MiB and 4096 files of 4 KiB: enough for a steady rate, and over in a few seconds on a slow disk too.
    fn default() -> Self {
        let time = Duration::from_secs(2);
        Self { write_bytes: 256 << 20, sync_bytes: 32 << 20, files: 4096, file_bytes: 4096, time }
    }
}

/// Files in one folder, as layers of packages have them.
const FILES_A_FOLDER: u64 = 256;
const PART: usize = 1 << 20;

/// Measures the file system below a folder, in a folder of its own that is removed afterwards.
pub fn measure(dir: &Path, limits: Limits) -> DiskMeasurement {
    let scratch = dir.join("disk-speed");
    let measured = fs::create_dir_all(&scratch).and_then(|()| {
        let (write_bytes, write_ns) = write_large(&scratch.join("large"), limits)?;
        let (files, files_ns) = make_small(&scratch, limits)?;
        Ok(DiskSpeed { write_bytes, write_ns, files, file_bytes: limits.file_bytes, files_ns })
    });
    let removed = fs::remove_dir_all(&scratch);
    match measured.and_then(|speed| removed.map(|()| speed)) {
        Ok(speed) => DiskMeasurement::Measured(speed),
        Err(error) => DiskMeasurement::not_measured(format!("{}: {error}", dir.display())),
    }
}

/// Writes one file from front to back through the page cache, and syncs what was written again and again.
fn write_large(path: &Path, limits: Limits) -> io::Result<(u64, u64)> {
    let mut part = noise(PART);
    let mut file = File::create(path)?;
    let started = Instant::now();
    let mut written = 0;
    while written < limits.write_bytes && started.elapsed() < limits.time {
        let until = (written + limits.sync_bytes).min(limits.write_bytes);
        while written < until {
            let length = (until - written).min(PART as u64);
            // No two parts are alike, for file systems that keep equal ones once.
            part[..8].copy_from_slice(&written.to_le_bytes());
            file.write_all(&part[..length as usize])?;
            written += length;
        }
        file.sync_data()?;
    }
    Ok((written, started.elapsed().as_nanos() as u64))
}

/// Makes small files as an unpacked layer has them: none is synced.
fn make_small(dir: &Path, limits: Limits) -> io::Result<(u64, u64)> {
    let content = noise(limits.file_bytes as usize);
    let started = Instant::now();
    let mut made = 0;
    while made < limits.files && started.elapsed() < limits.time {
        let folder = dir.join(format!("small-{}", made / FILES_A_FOLDER));
        if made % FILES_A_FOLDER == 0 {
            fs::create_dir(&folder)?;
        }
        fs::write(folder.join(made.to_string()), &content)?;
        made += 1;
    }
    Ok((made, started.elapsed().as_nanos() as u64))
}

/// Bytes that no file system compresses, the same each time: xorshift64 (Marsaglia, 2003).
pub fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits =
        Limits { write_bytes: (3 << 20) + 5, sync_bytes: 2 << 20, files: 300, file_bytes: 100, time: Duration::MAX };

    #[test]
    fn sizes_and_times_are_recorded_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let measured = measure(dir.path(), SMALL);
        let speed = measured.speed().unwrap_or_else(|| panic!("{measured:?}"));
        assert_eq!((speed.write_bytes, speed.files, speed.file_bytes), (SMALL.write_bytes, 300, 100));
        assert!(speed.write_ns > 0 && speed.files_ns > 0, "{speed:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn measurement_ends_when_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let measured = measure(dir.path(), Limits { time: Duration::ZERO, ..SMALL });
        let speed = measured.speed().unwrap();
        assert_eq!((speed.write_bytes, speed.files), (0, 0));
    }

    #[test]
    fn disk_that_cannot_be_written_is_recorded_with_the_reason() {
        // /proc takes no new folder, from root neither.
        let measured = measure(Path::new("/proc"), SMALL);
        let DiskMeasurement::NotMeasured { not_measured } = &measured else { panic!("{measured:?}") };
        assert!(not_measured.starts_with("/proc: ") && !not_measured.contains('\n'), "{not_measured}");
    }
}
