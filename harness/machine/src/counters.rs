//! CPU, memory, disk and pressure of a job, read from `/proc`.
//!
//! The job has a process namespace of its own, so every process that `/proc` shows here is the job's: the engine, its
//! containers, the clients. Nothing has to be followed or guessed, and no cgroup is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use handoff_model::RoleUsage;
use rustix::time::{ClockId, clock_gettime};

use crate::room::free_bytes;

/// How often memory and disk are looked at.
const INTERVAL: Duration = Duration::from_millis(200);
/// Length of a tick of `/proc/PID/stat` in ns: `USER_HZ` is 100 on every Linux that Docker runs on.
const TICK_NS: u64 = 10_000_000;

/// CPU time of all processes of the namespace in ns, their ended and awaited children included; none where `/proc` does not tell.
fn cpu_ns() -> Option<u64> {
    // A process that has ended since it was listed has no file any more: its parent has its ticks.
    let ticks: u64 = processes()?.filter_map(|dir| stat_ticks(&fs::read_to_string(dir.join("stat")).ok()?)).sum();
    Some(ticks * TICK_NS)
}

/// utime + stime + cutime + cstime of a line of `/proc/PID/stat`.
fn stat_ticks(line: &str) -> Option<u64> {
    // The second field is a name in brackets that may hold blanks: count from its end.
    let rest = &line[line.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_whitespace().collect();
    (11..15).map(|i| fields.get(i)?.parse::<u64>().ok()).sum()
}

fn processes() -> Option<impl Iterator<Item = PathBuf>> {
    let entries: Vec<fs::DirEntry> = fs::read_dir("/proc").ok()?.collect::<Result<_, _>>().ok()?;
    let is_process =
        |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    Some(entries.into_iter().map(|e| e.path()).filter(is_process))
}

/// Anonymous resident memory of all processes of the namespace in bytes: shared file pages are not counted twice.
fn memory_bytes() -> Option<u64> {
    // A process that has ended since it was listed holds nothing, and one of the kernel has no such line.
    let anonymous = |dir: PathBuf| field_kib(&fs::read_to_string(dir.join("status")).ok()?, "RssAnon:");
    Some(processes()?.filter_map(anonymous).sum::<u64>() * 1024)
}

/// The number behind a name in a table of `name number kB`.
pub fn field_kib(table: &str, name: &str) -> Option<u64> {
    table.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Time in which the machine's CPUs were busy, and time that the hypervisor took, in ns; none where the kernel does not tell.
pub fn machine_cpu_ns() -> Option<(u64, u64)> {
    busy_and_steal(&fs::read_to_string("/proc/stat").ok()?)
}

fn busy_and_steal(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else { return None };
    Some(((user + nice + system + irq + softirq) * TICK_NS, steal * TICK_NS))
}

fn steal_ns() -> Option<u64> {
    Some(machine_cpu_ns()?.1)
}

/// Length of a clock between two readings; none where one of them could not be taken.
pub fn between(start: Option<u64>, end: Option<u64>) -> Option<u64> {
    Some(end?.saturating_sub(start?))
}

/// Total of `some` CPU pressure in ns, where the kernel tells it.
pub fn pressure_ns() -> Option<u64> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().find(|l| l.starts_with("some"))?.rsplit_once("total=")?.1;
    Some(total.trim().parse::<u64>().ok()? * 1_000)
}

/// Load average over one minute; none where the kernel does not tell.
pub fn load_1m() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn own_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Extremes of a clock, sampled; none where no sample could be taken.
#[derive(Debug, Default, Clone, Copy)]
struct Extremes {
    most_memory: Option<u64>,
    least_free: Option<u64>,
}

impl Extremes {
    fn sample(&mut self, dir: &Path) {
        self.most_memory = self.most_memory.max(memory_bytes());
        // None is the least of all, but says nothing.
        let free = free_bytes(dir).ok();
        self.least_free = self.least_free.into_iter().chain(free).min();
    }
}

/// Readings at the start of a clock, and a thread that looks for peaks.
#[derive(Debug)]
pub struct Sampler {
    cpu: Option<u64>,
    own_cpu: u64,
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
                    thread::park_timeout(INTERVAL);
                }
                extremes
            }
        });
        let (cpu, own_cpu, steal) = (cpu_ns(), own_cpu_ns(), steal_ns());
        Self { cpu, own_cpu, steal, pressure: pressure_ns(), load: load_1m(), free, stop, thread }
    }

    /// What was used since. `harness_wall_ns` is left to whoever knows the spans.
    pub fn finish(self) -> RoleUsage {
        let own_cpu = own_cpu_ns();
        let cpu = cpu_ns();
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // A sampler that broke off has seen nothing that counts: both peaks are then unknown.
        let extremes = self.thread.join().unwrap_or_default();
        RoleUsage {
            cpu_ns: between(self.cpu, cpu),
            peak_memory_bytes: extremes.most_memory,
            peak_disk_bytes: between(extremes.least_free, self.free),
            harness_cpu_ns: between(Some(self.own_cpu), Some(own_cpu)),
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
    fn ticks_are_read_behind_a_name_with_blanks_and_brackets() {
        let line = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        assert_eq!(stat_ticks(line), Some(127));
    }

    #[test]
    fn unreadable_processor_times_are_unknown_and_not_zero() {
        let stat = "cpu  10 1 5 900 7 2 3 4 0 0\ncpu0 10 1 5 900 7 2 3 4 0 0\n";
        assert_eq!(busy_and_steal(stat), Some((21 * TICK_NS, 4 * TICK_NS)));
        for stat in ["", "cpu  10 1 5 900 7 2 3\n", "cpu  10 x 5 900 7 2 3 4\n", "intr 1 2 3 4 5 6 7 8\n"] {
            assert_eq!(busy_and_steal(stat), None, "{stat:?}");
        }
        assert_eq!([between(None, Some(2)), between(Some(2), None), between(Some(1), Some(3))], [None, None, Some(2)]);
    }

    #[test]
    fn peaks_that_could_not_be_sampled_are_unknown() {
        let mut extremes = Extremes::default();
        assert_eq!(between(extremes.least_free, None), None);
        extremes.sample(Path::new("/"));
        assert!(extremes.most_memory > Some(0) && extremes.least_free.is_some());
    }

    #[test]
    fn memory_is_read_from_its_line() {
        assert_eq!(field_kib("VmRSS:\t  9 kB\nRssAnon:\t    1234 kB\n", "RssAnon:"), Some(1234));
        assert_eq!(field_kib("VmRSS:\t9 kB", "RssAnon:"), None);
    }
}
