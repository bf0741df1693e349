//! CPU, memory, disk and pressure of a job, read from `/proc`.
//!
//! The job has a process namespace of its own, so every process that `/proc` shows here is the job's: the engine, its
//! containers, the clients. Nothing has to be followed or guessed, and no cgroup is needed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use handoff_model::SideUsage;
use rustix::time::{ClockId, clock_gettime};

use crate::environment::free_bytes;

/// How often memory and disk are looked at.
const INTERVAL: Duration = Duration::from_millis(200);
/// Length of a tick of `/proc/PID/stat` in ns: `USER_HZ` is 100 on every Linux that Docker runs on.
const TICK_NS: u64 = 10_000_000;

/// CPU time of all processes of the namespace in ns, their ended and awaited children included.
fn cpu_ns() -> u64 {
    let ticks: u64 = processes().filter_map(|dir| stat_ticks(&fs::read_to_string(dir.join("stat")).ok()?)).sum();
    ticks * TICK_NS
}

/// utime + stime + cutime + cstime of a line of `/proc/PID/stat`.
fn stat_ticks(line: &str) -> Option<u64> {
    // The second field is a name in brackets that may hold blanks: count from its end.
    let rest = &line[line.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_whitespace().collect();
    (11..15).map(|i| fields.get(i)?.parse::<u64>().ok()).sum()
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .map(|e| e.path())
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().bytes().all(|b| b.is_ascii_digit())))
}

/// Anonymous resident memory of all processes of the namespace in bytes: shared file pages are not counted twice.
fn memory_bytes() -> u64 {
    let anonymous = |dir: PathBuf| field_kib(&fs::read_to_string(dir.join("status")).ok()?, "RssAnon:");
    processes().filter_map(anonymous).sum::<u64>() * 1024
}

/// The number behind a name in a table of `name number kB`.
pub fn field_kib(table: &str, name: &str) -> Option<u64> {
    table.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Time in which the machine's CPUs were busy, and time that the hypervisor took, in ns.
pub fn machine_cpu_ns() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let at = |i: usize| fields.get(i).copied().unwrap_or(0);
    let busy = at(0) + at(1) + at(2) + at(5) + at(6);
    (busy * TICK_NS, at(7) * TICK_NS)
}

fn steal_ns() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let steal = stat.lines().next().and_then(|l| l.split_whitespace().nth(8)).and_then(|t| t.parse::<u64>().ok());
    steal.unwrap_or(0) * TICK_NS
}

/// Total of `some` CPU pressure in ns, where the kernel tells it.
pub fn pressure_ns() -> Option<u64> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().find(|l| l.starts_with("some"))?.rsplit_once("total=")?.1;
    Some(total.trim().parse::<u64>().ok()? * 1_000)
}

/// Load average over one minute.
pub fn load_1m() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|t| t.parse().ok()).unwrap_or(0.0)
}

fn own_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Readings at the start of a clock, and a thread that looks for peaks.
#[derive(Debug)]
pub struct Counters {
    cpu: u64,
    own_cpu: u64,
    steal: u64,
    pressure: Option<u64>,
    load: f64,
    peak_memory: Arc<AtomicU64>,
    least_free: Arc<AtomicU64>,
    free: u64,
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
}

impl Counters {
    /// Takes the readings at the start of a clock.
    pub fn start(dir: PathBuf) -> Self {
        let free = free_bytes(&dir);
        let peak_memory = Arc::new(AtomicU64::new(0));
        let least_free = Arc::new(AtomicU64::new(free));
        let stop = Arc::new(AtomicBool::new(false));
        let sampler = thread::spawn({
            let (peak, least, stop) = (Arc::clone(&peak_memory), Arc::clone(&least_free), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    peak.fetch_max(memory_bytes(), Ordering::Relaxed);
                    least.fetch_min(free_bytes(&dir), Ordering::Relaxed);
                    thread::park_timeout(INTERVAL);
                }
            }
        });
        Self {
            cpu: cpu_ns(),
            own_cpu: own_cpu_ns(),
            steal: steal_ns(),
            pressure: pressure_ns(),
            load: load_1m(),
            peak_memory,
            least_free,
            free,
            stop,
            sampler,
        }
    }

    /// What was used since. `harness_wall_ns` is left to whoever knows the spans.
    pub fn finish(self) -> SideUsage {
        let own_cpu = own_cpu_ns();
        let cpu = cpu_ns();
        self.stop.store(true, Ordering::Relaxed);
        self.sampler.thread().unpark();
        let _ = self.sampler.join();
        SideUsage {
            cpu_ns: Some(cpu.saturating_sub(self.cpu)),
            peak_memory_bytes: Some(self.peak_memory.load(Ordering::Relaxed)),
            peak_disk_bytes: Some(self.free.saturating_sub(self.least_free.load(Ordering::Relaxed))),
            harness_cpu_ns: own_cpu.saturating_sub(self.own_cpu),
            harness_wall_ns: 0,
            load_1m: self.load,
            cpu_pressure_ns: pressure_ns().zip(self.pressure).map(|(end, start)| end.saturating_sub(start)),
            steal_ns: steal_ns().saturating_sub(self.steal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_a_name_with_blanks_and_brackets() {
        let line = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        assert_eq!(stat_ticks(line), Some(127));
    }

    #[test]
    fn memory_is_read_from_its_line() {
        assert_eq!(field_kib("VmRSS:\t  9 kB\nRssAnon:\t    1234 kB\n", "RssAnon:"), Some(1234));
        assert_eq!(field_kib("VmRSS:\t9 kB", "RssAnon:"), None);
    }
}
