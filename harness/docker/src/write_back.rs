//! Write-back seen from a device's counter, sampled in the background so that nobody waits for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::disk;

const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);
/// Longest pause within one write-back: a limit of the disk lets bytes through in slices of 100 ms.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// Fewest bytes of an interval between two samples: less is the journal or the database of a daemon.
const LEAST_SAMPLE_BYTES: u64 = 64 << 10;
/// Fewest bytes of a write-back.
const LEAST_BYTES: u64 = 1 << 20;

/// Time in which the device of a private file system was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteBack {
    /// Start since the sampler started.
    pub start: Duration,
    /// End since the sampler started.
    pub end: Duration,
    /// Bytes that reached the device.
    pub bytes: u64,
}

/// Bytes that a device had been written by a time.
type Sample = (Duration, u64);

/// Sampler of the bytes written to a private file system.
#[derive(Debug)]
pub struct WriteBackSampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Sample>>,
}

impl WriteBackSampler {
    /// Starts sampling; none if no private file system is mounted on the folder.
    pub fn start(dir: &Path) -> Option<Self> {
        let stat: PathBuf = disk::stat_file(dir)?;
        let stop = Arc::new(AtomicBool::new(false));
        let started = Instant::now();
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut samples = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let bytes = fs::read_to_string(&stat).ok().and_then(|stat| disk::written_bytes(&stat));
                    samples.extend(bytes.map(|bytes| (started.elapsed(), bytes)));
                    thread::park_timeout(SAMPLE_INTERVAL);
                }
                samples
            }
        });
        Some(Self { stop, thread })
    }

    /// Stops sampling. Returns the write-backs up to `until` after the start.
    pub fn finish(self, until: Duration) -> Vec<WriteBack> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // After a panic of the sampler nothing is known.
        let mut samples = self.thread.join().unwrap_or_default();
        samples.retain(|(at, _)| *at <= until);
        write_backs(&samples)
    }
}

/// Intervals between samples in which bytes were written, joined over short pauses.
fn write_backs(samples: &[Sample]) -> Vec<WriteBack> {
    let mut all: Vec<WriteBack> = Vec::new();
    for pair in samples.windows(2) {
        let [(start, before), (end, after)] = *pair else { continue };
        let bytes = after.saturating_sub(before);
        if bytes < LEAST_SAMPLE_BYTES {
            continue;
        }
        match all.last_mut().filter(|last| start.saturating_sub(last.end) <= LONGEST_PAUSE) {
            Some(last) => (last.end, last.bytes) = (end, last.bytes + bytes),
            None => all.push(WriteBack { start, end, bytes }),
        }
    }
    all.retain(|write_back| write_back.bytes >= LEAST_BYTES);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_back_joins_samples_over_short_pauses_and_leaves_out_small_writes() {
        let ms = Duration::from_millis;
        let mib = |n: u64| n << 20;
        let samples = [
            (ms(0), mib(5)),
            (ms(10), mib(5) + 4096),
            (ms(200), mib(5) + 4096),
            (ms(210), mib(6)),
            (ms(220), mib(9)),
            (ms(260), mib(9)),
            (ms(270), mib(10)),
            (ms(400), mib(10)),
            (ms(410), mib(10) + 4096),
            (ms(600), mib(10) + 4096),
            (ms(610), mib(10) + (512 << 10)),
        ];
        let expected = WriteBack { start: ms(200), end: ms(270), bytes: mib(5) - 4096 };
        assert_eq!(write_backs(&samples), [expected], "nothing of less than 1 MiB is one");
        assert_eq!(write_backs(&samples[..3]), [], "the journal's writes are no write-back");
        assert_eq!(write_backs(&[]), []);
    }

    #[test]
    fn plain_folder_has_no_sampler() {
        let dir = tempfile::tempdir().unwrap();
        assert!(WriteBackSampler::start(dir.path()).is_none());
    }
}
