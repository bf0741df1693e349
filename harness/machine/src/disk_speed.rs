//! Short measurement of a file system: the write rates of one large file and of many small files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use handoff_model::{DiskMeasurement, DiskSpeed};

/// Limits of the measurement. Each half ends at its size or at its time, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the large file.
    pub write_bytes: u64,
    /// Bytes between two syncs.
    pub sync_bytes: u64,
    /// Number of small files.
    pub files: u64,
    /// Bytes of each small file.
    pub file_bytes: u64,
    /// Time for each half. A sync in progress is awaited.
    pub time: Duration,
}

impl Default for Limits {
    /// 256 MiB and 4096 files of 4 KiB: enough for a steady rate, and done in seconds on a slow disk.
    fn default() -> Self {
        let time = Duration::from_secs(2);
        Self { write_bytes: 256 << 20, sync_bytes: 32 << 20, files: 4096, file_bytes: 4096, time }
    }
}

/// Files of one folder, as in layers with packages.
const FILES_PER_FOLDER: u64 = 256;
const CHUNK_BYTES: usize = 1 << 20;

/// Measures the file system of a folder in a temporary subfolder.
pub fn measure(dir: &Path, limits: Limits) -> DiskMeasurement {
    let scratch = dir.join("disk-speed");
    let measured = fs::create_dir_all(&scratch).and_then(|()| {
        let (write_bytes, write_ns) = write_large(&scratch.join("large"), limits)?;
        let (files, files_ns) = create_small(&scratch, limits)?;
        Ok(DiskSpeed { write_bytes, write_ns, files, file_bytes: limits.file_bytes, files_ns })
    });
    let removed = fs::remove_dir_all(&scratch);
    match measured.and_then(|speed| removed.map(|()| speed)) {
        Ok(speed) => DiskMeasurement::Measured(speed),
        Err(error) => DiskMeasurement::not_measured(format!("{}: {error}", dir.display())),
    }
}

/// Writes one file through the page cache and syncs at intervals. Returns bytes and ns.
fn write_large(path: &Path, limits: Limits) -> io::Result<(u64, u64)> {
    let mut chunk = noise(CHUNK_BYTES);
    let mut file = File::create(path)?;
    let started = Instant::now();
    let mut written = 0;
    while written < limits.write_bytes && started.elapsed() < limits.time {
        let until = (written + limits.sync_bytes).min(limits.write_bytes);
        while written < until {
            let length = (until - written).min(CHUNK_BYTES as u64);
            // Chunks differ, because some file systems store equal blocks once.
            chunk[..8].copy_from_slice(&written.to_le_bytes());
            file.write_all(&chunk[..length as usize])?;
            written += length;
        }
        file.sync_data()?;
    }
    Ok((written, started.elapsed().as_nanos() as u64))
}

/// Creates small files without sync, as unpacking a layer does. Returns their number and ns.
fn create_small(dir: &Path, limits: Limits) -> io::Result<(u64, u64)> {
    let content = noise(limits.file_bytes as usize);
    let started = Instant::now();
    let mut created = 0;
    while created < limits.files && started.elapsed() < limits.time {
        let folder = dir.join(format!("small-{}", created / FILES_PER_FOLDER));
        if created % FILES_PER_FOLDER == 0 {
            fs::create_dir(&folder)?;
        }
        fs::write(folder.join(created.to_string()), &content)?;
        created += 1;
    }
    Ok((created, started.elapsed().as_nanos() as u64))
}

/// Incompressible bytes, the same on each call: xorshift64 (Marsaglia, 2003).
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
    fn measurement_records_sizes_and_times_and_removes_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let measured = measure(dir.path(), SMALL);
        let speed = measured.speed().unwrap_or_else(|| panic!("{measured:?}"));
        assert_eq!((speed.write_bytes, speed.files, speed.file_bytes), (SMALL.write_bytes, 300, 100));
        assert!(speed.write_ns > 0 && speed.files_ns > 0, "{speed:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn measurement_stops_at_its_time_limit() {
        let dir = tempfile::tempdir().unwrap();
        let measured = measure(dir.path(), Limits { time: Duration::ZERO, ..SMALL });
        let speed = measured.speed().unwrap();
        assert_eq!((speed.write_bytes, speed.files), (0, 0));
    }

    #[test]
    fn read_only_disk_is_recorded_as_not_measured_with_the_reason() {
        // Not even root can create a folder in /proc.
        let measured = measure(Path::new("/proc"), SMALL);
        let DiskMeasurement::NotMeasured { not_measured } = &measured else { panic!("{measured:?}") };
        assert!(not_measured.starts_with("/proc: ") && !not_measured.contains('\n'), "{not_measured}");
    }
}
