//! CPU, memory, disk and pressure of a job while it runs.
//!
//! A job has a process namespace of its own, so that every process in `/proc` belongs to the job: the engine, its
//! containers, the clients. No cgroup is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use handoff_model::RoleUsage;
use rustix::time::{ClockId, clock_gettime};

use crate::proc::{TICK_NS, anonymous_memory, cpu_ticks, load_1m, machine_cpu_ns, pressure_ns, processes};
use crate::room::free_bytes;

/// Interval at which memory and disk are sampled.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// CPU time of all processes of the namespace in ns, with their awaited children; none if `/proc` cannot be read.
fn cpu_ns() -> Option<u64> {
    // An ended process has no file any more: its parent has its ticks.
    Some(processes()?.into_iter().filter_map(cpu_ticks).sum::<u64>() * TICK_NS)
}

/// Anonymous resident memory of all processes of the namespace in bytes, so that no shared page counts twice.
fn memory_bytes() -> Option<u64> {
    Some(processes()?.into_iter().filter_map(anonymous_memory).sum())
}

fn steal_ns() -> Option<u64> {
    Some(machine_cpu_ns()?.1)
}

/// Difference of two readings of a counter; none if a reading is missing.
pub fn between(start: Option<u64>, end: Option<u64>) -> Option<u64> {
    Some(end?.saturating_sub(start?))
}

fn harness_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Extremes of the samples; none without a sample.
#[derive(Debug, Default, Clone, Copy)]
struct Extremes {
    peak_memory: Option<u64>,
    least_free: Option<u64>,
}

impl Extremes {
    fn sample(&mut self, dir: &Path) {
        self.peak_memory = self.peak_memory.max(memory_bytes());
        let free = free_bytes(dir).ok();
        self.least_free = self.least_free.into_iter().chain(free).min();
    }
}

/// Readings at the start of a clock, and a thread that samples peaks.
#[derive(Debug)]
pub struct Sampler {
    cpu: Option<u64>,
    harness_cpu: u64,
    steal: Option<u64>,
    pressure: Option<u64>,
    load: Option<f64>,
    free: Option<u64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Extremes>,
}

impl Sampler {
    /// Takes the readings at the start of a clock.
    pub fn start(dir: PathBuf) -> Self {
        let free = free_bytes(&dir).ok();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut extremes = Extremes { least_free: free, ..Extremes::default() };
                while !stop.load(Ordering::Relaxed) {
                    extremes.sample(&dir);
                    thread::park_timeout(SAMPLE_INTERVAL);
                }
                extremes
            }
        });
        let (cpu, harness_cpu, steal) = (cpu_ns(), harness_cpu_ns(), steal_ns());
        Self { cpu, harness_cpu, steal, pressure: pressure_ns(), load: load_1m(), free, stop, thread }
    }

    /// Usage since the start. The caller, which knows the spans, adds `harness_wall_ns`.
    pub fn finish(self) -> RoleUsage {
        let harness_cpu = harness_cpu_ns();
        let cpu = cpu_ns();
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // After a panic of the sampler both peaks are unknown.
        let extremes = self.thread.join().unwrap_or_default();
        RoleUsage {
            cpu_ns: between(self.cpu, cpu),
            peak_memory_bytes: extremes.peak_memory,
            peak_disk_bytes: between(extremes.least_free, self.free),
            harness_cpu_ns: between(Some(self.harness_cpu), Some(harness_cpu)),
            harness_wall_ns: None,
            load_1m: self.load,
            cpu_pressure_ns: between(self.pressure, pressure_ns()),
            steal_ns: between(self.steal, steal_ns()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_with_a_missing_reading_is_unknown() {
        assert_eq!([between(None, Some(2)), between(Some(2), None), between(Some(1), Some(3))], [None, None, Some(2)]);
    }

    #[test]
    fn peaks_without_a_sample_are_unknown() {
        let mut extremes = Extremes::default();
        assert_eq!(between(extremes.least_free, None), None);
        extremes.sample(Path::new("/"));
        assert!(extremes.peak_memory > Some(0) && extremes.least_free.is_some());
    }
}
