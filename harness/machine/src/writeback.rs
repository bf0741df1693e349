//! Between the sides, off the clock: let the machine come to rest.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::counters::field_kib;

/// Dirty memory below which the disk is at rest, in KiB.
const REST_KIB: u64 = 16 << 10;
const LIMIT: Duration = Duration::from_mins(3);

/// Writes dirty pages back and waits until they are, at most three minutes. Returns the time it took in ns.
pub fn wait_for_writeback() -> u64 {
    let start = Instant::now();
    rustix::fs::sync();
    loop {
        let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let dirty: u64 = ["Dirty:", "Writeback:"].iter().filter_map(|name| field_kib(&table, name)).sum();
        if dirty < REST_KIB || start.elapsed() > LIMIT {
            return start.elapsed().as_nanos() as u64;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
