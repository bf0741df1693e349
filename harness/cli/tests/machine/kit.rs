//! The machine that trials take: whether it has what they need, what they leave on it, what they have written.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use handoff_model::{StrategyFacts, StrategySpec};
use handoff_records::Results;
use handoff_runner::tools::Tools;

pub use crate::support::{RunFolders, expect, handoff};

/// The tested program.
const HANDOFF: &str = env!("CARGO_BIN_EXE_handoff");

/// Programs of its trials.
pub fn tools() -> Tools {
    Tools::of(HANDOFF.into()).unwrap()
}

/// Trials need the machine to themselves: tests that run some take turns.
pub fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    let guard = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let checks = handoff_runner::tools::checks_of(Some(Path::new(HANDOFF)));
    let missing: Vec<String> =
        checks.into_iter().filter(|c| !c.ok).map(|c| format!("{}: {} (fix: {})", c.part, c.found, c.fix)).collect();
    assert!(missing.is_empty(), "run the tests as root after `make setup`; this machine lacks {missing:?}");
    guard
}

/// Whether this machine can limit the disk of a job.
pub fn can_limit_disk() -> bool {
    handoff_docker::disk_limit::BlockController::find().is_ok()
}

/// Facts of the strategy of that name.
pub fn facts(name: &str) -> &'static StrategyFacts {
    handoff_strategies::find(&StrategySpec::plain(name)).unwrap().facts()
}

impl RunFolders {
    /// `handoff plan` of a small image.
    pub fn plan(&self, args: &[&str]) -> Command {
        let mut command = handoff(&["plan", "--sizes", "64MiB", "--rounds", "1"]);
        command.args(args).arg("--work-dir").arg(self.work.path());
        command
    }

    pub fn results(&self) -> Results {
        Results::read(&self.out).unwrap()
    }

    /// Leftovers of a run: mounts, cgroups, files, processes, disk rules and loop devices of its jobs.
    pub fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        let work = self.work.path().display().to_string();
        for mount in handoff_docker::leftovers::mounts_below(self.work.path()).unwrap() {
            left.push(format!("mount {}", mount.display()));
        }
        for entry in std::fs::read_dir(self.work.path()).unwrap().flatten() {
            if entry.file_name() != "lock" {
                left.push(format!("file {}", entry.path().display()));
            }
        }
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(&work) {
                left.push(format!("process {} {}", process.path().display(), String::from_utf8_lossy(&line)));
            }
        }
        left.extend(cgroups().into_iter().map(|c| format!("cgroup {c}")));
        left.extend(shm().into_iter().map(|c| format!("folder {c}")));
        left.extend(disk_rules().into_iter().map(|rule| format!("disk rule {rule}")));
        left.extend(loops(&work).into_iter().map(|c| format!("loop device {c}")));
        left
    }
}

/// Loop devices on files below a folder, those left out that the kernel lets go of within seconds.
fn loops(work: &str) -> Vec<String> {
    let held = || {
        let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
        let file = |d: std::fs::DirEntry| std::fs::read_to_string(d.path().join("loop/backing_file")).ok();
        devices.filter_map(file).filter(|file| file.contains(work)).collect::<Vec<_>>()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !held().is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    held()
}

/// Rules of cgroup v1 that limit loop devices, whose major number is 7.
pub fn disk_rules() -> Vec<String> {
    let file = |way: &str| format!("/sys/fs/cgroup/blkio/blkio.throttle.{way}_bps_device");
    let rules = ["write", "read"].map(|way| std::fs::read_to_string(file(way)).unwrap_or_default());
    rules.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("7:")).map(str::to_owned).collect()
}

/// Cgroups that jobs have made.
pub fn cgroups() -> BTreeSet<String> {
    named_below("/sys/fs/cgroup", "handoff-", 2)
}

/// Folders in memory that services have made.
fn shm() -> BTreeSet<String> {
    named_below("/dev/shm", "handoff-", 1)
}

fn named_below(dir: impl AsRef<Path>, prefix: &str, depth: u32) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.insert(entry.path().display().to_string());
        } else if depth > 1 && entry.path().is_dir() {
            found.extend(named_below(entry.path(), prefix, depth - 1));
        }
    }
    found
}
