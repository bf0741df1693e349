//! What this machine is: read once, before the first trial.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_engine::Programs;
use handoff_model::Environment;
use sha2::{Digest, Sha256};

use crate::job::field_kib;
use crate::protocol::{EngineFacts, JOB_DISK};
use crate::tools::Tools;

/// Free bytes of the file system on which a folder is, or would be made; 0 where it cannot be asked.
pub fn free_bytes(dir: &Path) -> u64 {
    let there = dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"));
    rustix::fs::statvfs(there).map_or(0, |s| s.f_bavail * s.f_frsize)
}

/// Memory that can be had without swapping, in bytes.
pub fn available_memory() -> u64 {
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    field_kib(&table, "MemAvailable:").unwrap_or(0) * 1024
}

fn file_system(dir: &Path) -> String {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = table.lines().filter_map(|l| {
        let mut fields = l.split(' ').skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    let holds = mounts.filter(|(point, _)| dir.starts_with(point)).max_by_key(|(point, _)| point.len());
    holds.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind)
}

/// Describes the machine, its programs and the engine.
pub fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: &Programs,
    tools: &Tools,
    engine: &EngineFacts,
) -> Environment {
    let mut versions: BTreeMap<String, String> = programs.versions.clone();
    versions.extend(tools.versions.clone());
    versions.extend(engine.versions.clone());
    let jobs = versions.remove(JOB_DISK).unwrap_or_default();
    let mut environment = machine(work_dir, service_store, versions, programs.packages.clone());
    if !jobs.is_empty() {
        environment.disk = format!("{}; jobs: {jobs}", environment.disk);
        set_id(&mut environment);
    }
    environment
}

/// Describes the machine of a GitHub job, whose programs are the machine's own.
pub fn of_job(work_dir: &Path, versions: BTreeMap<String, String>) -> Environment {
    machine(work_dir, "", versions, BTreeMap::new())
}

fn machine(
    work_dir: &Path,
    service_store: &str,
    programs: BTreeMap<String, String>,
    packages: BTreeMap<String, String>,
) -> Environment {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, name: &str| {
        let value = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        value.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"').to_owned()
    };
    let mut environment = Environment {
        id: String::new(),
        cpu: line(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        memory_bytes: field_kib(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) * 1024,
        disk: file_system(work_dir),
        service_store: service_store.to_owned(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        os: line(&read("/etc/os-release"), "PRETTY_NAME"),
        programs,
        packages,
        handoff: format!(
            "{} ({})",
            env!("CARGO_PKG_VERSION"),
            option_env!("HANDOFF_REVISION").unwrap_or("revision unknown")
        ),
    };
    set_id(&mut environment);
    environment
}

/// The commit that the program was built from; a placeholder where it was built from an archive.
pub const COMMIT: &str = match option_env!("HANDOFF_COMMIT") {
    Some(commit) => commit,
    None => "COMMIT",
};

/// Names an environment by a digest of all the rest.
pub fn set_id(environment: &mut Environment) {
    environment.id.clear();
    let json = serde_json::to_vec(&environment).unwrap_or_default();
    let first: [u8; 4] = std::array::from_fn(|i| Sha256::digest(&json)[i]);
    environment.id = format!("{:08x}", u32::from_be_bytes(first));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_where_it_would_be() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("not/there/yet")) > 0);
    }
}
