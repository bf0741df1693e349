//! Interrupted runs: finished trials are kept, jobs are removed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{RunFolders, can_limit_disk, disk_rules, expect, handoff, machine};

const PLAN: [&str; 8] =
    ["--sizes", "64MiB", "--rounds", "2", "--strategies", "artifact,rebuild,zstd-stream", "--seed", "5"];

/// Starts a run and lets it go on until its talk names the start of the n-th trial.
pub fn start_until(mut command: Command, trial: usize) -> Child {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let started = lines.by_ref().map_while(Result::ok).filter(|l| l.contains(" ... (")).nth(trial - 1);
    assert!(started.is_some(), "the run ended before trial {trial} started");
    // Somebody must read on, or the run stops at a full pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

fn wait_until_clean(folders: &RunFolders) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let busy = |l: &String| l.starts_with("process") || l.starts_with("mount");
    while folders.leftovers().iter().any(busy) {
        assert!(Instant::now() < deadline, "left behind: {:?}", folders.leftovers());
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn killed_run_is_resumed_and_leaves_nothing() {
    let _machine = machine();
    let folders = RunFolders::new();
    let profile = if can_limit_disk() { "loopback:disk=300MiB/s" } else { "loopback" };
    let plan = [&PLAN[..], &["--profile", profile]].concat();
    let mut child = start_until(folders.run(&plan), 3);
    // Under cgroup v1, a rule limits the disk of the job that runs now.
    let deadline = Instant::now() + Duration::from_secs(20);
    let has_rules = std::path::Path::new("/sys/fs/cgroup/blkio").is_dir();
    while has_rules && disk_rules().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "-KILL");
    child.wait().unwrap();
    wait_until_clean(&folders);
    assert_eq!(disk_rules().is_empty(), !has_rules, "the rule outlives the job");
    let clean = |args: &[&str]| {
        let mut command = handoff(&["clean", "--work-dir"]);
        expect(command.arg(folders.work.path()).args(args), 0)
    };
    assert_eq!(clean(&[]).0.contains("disk limit: 300MiB/s of block device 7:"), has_rules);
    clean(&["--remove"]);
    assert_eq!(folders.leftovers(), Vec::<String>::new());
    let before = folders.results();
    assert!(before.measurements.len() >= 2 && before.measurements.len() < 6);
    expect(&mut folders.run(&["--resume"]), 0);
    let after = folders.results();
    assert_eq!(after.measurements.len(), 6);
    assert_eq!(after.measurements[..before.measurements.len()], before.measurements[..]);
    let planned: BTreeSet<&String> = after.plan.trials.iter().map(|t| &t.id).collect();
    assert_eq!(after.measurements.iter().map(|m| &m.trial).collect::<BTreeSet<_>>(), planned);
    assert_eq!(folders.leftovers(), Vec::<String>::new());
    let (_, stderr) = expect(&mut folders.run(&["--resume", "--seed", "6"]), 2);
    assert!(stderr.contains("seed"), "{stderr}");
    let (_, stderr) = expect(&mut folders.run(&plan), 2);
    assert!(stderr.contains("holds a run already"), "{stderr}");
}

#[test]
fn ctrl_c_once_or_twice_ends_cleanly() {
    let _machine = machine();
    let folders = RunFolders::new();
    let mut child = start_until(folders.run(&PLAN), 2);
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "-INT");
    signal(&child, "-INT");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(folders.leftovers(), Vec::<String>::new());
    assert_eq!(folders.results().measurements.len(), 1);
}

#[test]
fn job_above_its_timeout_is_a_row_without_times_and_leaves_nothing() {
    let _machine = machine();
    let folders = RunFolders::new();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "artifact", "--timeout", "1"];
    let (_, stderr) = expect(&mut folders.run(&args), 1);
    assert!(stderr.contains("timed_out") && stderr.contains("--timeout"), "{stderr}");
    let row = &folders.results().measurements[0];
    assert_eq!(row.outcome, handoff_model::Outcome::TimedOut);
    assert_eq!((row.produce_ns, row.critical_path_ns, row.bytes_up), (None, None, None));
    assert!(std::fs::read_to_string(folders.out.join("report.md")).unwrap().contains("timed_out"));
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}
