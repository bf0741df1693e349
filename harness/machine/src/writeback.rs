//! Write-back of dirty pages between jobs, off the clock.

use std::thread;
use std::time::{Duration, Instant};

use crate::proc::dirty_kib;

/// Dirty memory below which the disk counts as idle, in KiB.
const IDLE_KIB: u64 = 16 << 10;
const WRITEBACK_TIMEOUT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Writes dirty pages back and waits until the disk is idle, at most three minutes. Returns the time taken in ns.
pub fn wait_for_writeback() -> u64 {
    let start = Instant::now();
    rustix::fs::sync();
    while dirty_kib() >= IDLE_KIB && start.elapsed() <= WRITEBACK_TIMEOUT {
        thread::sleep(POLL_INTERVAL);
    }
    start.elapsed().as_nanos() as u64
}
