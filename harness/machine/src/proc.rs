//! Readers of `/proc`: processes, mounts, memory, CPU time and pressure. Every reader of the workspace is here but that of
//! `services`, which shares nothing with the rest.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::FileError;

/// Length of a clock tick in ns: `USER_HZ` is 100 on every Linux that Docker runs on (proc(5), `/proc/pid/stat`).
pub const TICK_NS: u64 = 10_000_000;

/// Text of a file that every kernel has.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String, FileError> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(FileError::on("read", path))
}

/// Process identifiers in this process namespace; none if `/proc` cannot be read.
pub fn processes() -> Option<Vec<u32>> {
    let entries: Vec<fs::DirEntry> = fs::read_dir("/proc").ok()?.collect::<Result<_, _>>().ok()?;
    Some(entries.iter().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
}

/// First child of a process, if it has one.
pub fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Identifier of a process's PID namespace, such as `pid:[4026531836]`; `self` is this process.
pub fn pid_namespace(process: &str) -> Option<String> {
    Some(fs::read_link(format!("/proc/{process}/ns/pid")).ok()?.display().to_string())
}

/// Processes of a PID namespace.
pub fn processes_in(namespace: &str) -> Vec<u32> {
    let is_inside = |pid: &u32| pid_namespace(&pid.to_string()).as_deref() == Some(namespace);
    processes().unwrap_or_default().into_iter().filter(is_inside).collect()
}

/// Start time of a process in clock ticks since boot, which tells a reused process identifier apart.
pub fn start_ticks(pid: i32) -> Option<u64> {
    stat_fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?.nth(19)
}

/// CPU time of a process and of its awaited children in ticks: utime + stime + cutime + cstime.
pub(crate) fn cpu_ticks(pid: u32) -> Option<u64> {
    total_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn total_ticks(stat: &str) -> Option<u64> {
    let ticks: Vec<u64> = stat_fields(stat)?.skip(11).take(4).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum())
}

/// Fields of a line of `/proc/PID/stat` behind the program's name; one that is no count, such as the state, is 0.
fn stat_fields(stat: &str) -> Option<impl Iterator<Item = u64>> {
    // The name is in brackets and may hold blanks and brackets, so that fields count from its end.
    let fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    Some(fields.map(|field| field.parse().unwrap_or(0)))
}

/// Anonymous resident memory of a process in bytes; none for a kernel thread or an ended process.
pub(crate) fn anonymous_memory(pid: u32) -> Option<u64> {
    Some(field_kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "RssAnon:")? * 1024)
}

/// Number behind a name in a table of `name number kB`.
pub(crate) fn field_kib(table: &str, name: &str) -> Option<u64> {
    table.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Memory available without swapping, in bytes; none if the kernel does not report it.
pub fn available_memory() -> Option<u64> {
    Some(field_kib(&read("/proc/meminfo").ok()?, "MemAvailable:")? * 1024)
}

/// Dirty pages and pages under write-back, in KiB.
pub(crate) fn dirty_kib() -> u64 {
    let table = read("/proc/meminfo").unwrap_or_default();
    ["Dirty:", "Writeback:"].iter().filter_map(|name| field_kib(&table, name)).sum()
}

/// Busy time of all CPUs and time stolen by the hypervisor, both in ns; none if the kernel does not report them.
pub fn machine_cpu_ns() -> Option<(u64, u64)> {
    busy_and_steal(&read("/proc/stat").ok()?)
}

fn busy_and_steal(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else { return None };
    Some(((user + nice + system + irq + softirq) * TICK_NS, steal * TICK_NS))
}

/// Total of `some` CPU pressure in ns; none if the kernel does not report it.
pub fn pressure_ns() -> Option<u64> {
    let text = read("/proc/pressure/cpu").ok()?;
    let total = text.lines().find(|l| l.starts_with("some"))?.rsplit_once("total=")?.1;
    Some(total.trim().parse::<u64>().ok()? * 1_000)
}

/// Load average over one minute; none if the kernel does not report it.
pub fn load_1m() -> Option<f64> {
    read("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Entry of this process's mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Device, or a name such as `tmpfs`.
    pub source: String,
    /// Folder on which the file system is mounted.
    pub point: PathBuf,
    /// File system type.
    pub kind: String,
    /// Mount options, separated by commas.
    pub options: String,
}

/// Mounts of this process's mount namespace.
///
/// # Errors
/// `/proc/self/mounts` cannot be read.
pub fn mounts() -> Result<Vec<Mount>, FileError> {
    Ok(parse_mounts(&read("/proc/self/mounts")?))
}

fn parse_mounts(table: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let mut fields = line.split(' ').map(|field| field.replace("\\040", " "));
        Some(Mount {
            source: fields.next()?,
            point: fields.next()?.into(),
            kind: fields.next()?,
            options: fields.next()?,
        })
    };
    table.lines().filter_map(mount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_fields_count_from_the_end_of_a_name_with_blanks_and_brackets() {
        let line = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 777";
        assert_eq!((total_ticks(line), stat_fields(line).unwrap().nth(19)), (Some(127), Some(777)));
        assert_eq!(total_ticks("42 (a) S 1 2"), None);
    }

    #[test]
    fn unreadable_cpu_times_are_unknown_and_not_zero() {
        let stat = "cpu  10 1 5 900 7 2 3 4 0 0\ncpu0 10 1 5 900 7 2 3 4 0 0\n";
        assert_eq!(busy_and_steal(stat), Some((21 * TICK_NS, 4 * TICK_NS)));
        for stat in ["", "cpu  10 1 5 900 7 2 3\n", "cpu  10 x 5 900 7 2 3 4\n", "intr 1 2 3 4 5 6 7 8\n"] {
            assert_eq!(busy_and_steal(stat), None, "{stat:?}");
        }
    }

    #[test]
    fn memory_field_is_read_from_its_line() {
        assert_eq!(field_kib("VmRSS:\t  9 kB\nRssAnon:\t    1234 kB\n", "RssAnon:"), Some(1234));
        assert_eq!(field_kib("VmRSS:\t9 kB", "RssAnon:"), None);
    }

    #[test]
    fn mount_point_with_a_blank_is_decoded() {
        let expected = Mount {
            source: "/dev/loop0".into(),
            point: "/a b".into(),
            kind: "ext4".into(),
            options: "rw,relatime".into(),
        };
        assert_eq!(parse_mounts("/dev/loop0 /a\\040b ext4 rw,relatime 0 0\n"), [expected]);
    }
}
