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

/// What a program says of itself: the caller knows which sources it was built from, this library does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// Version, commit and digest in short.
    pub handoff: String,
    /// Digest of the sources.
    pub source_digest: String,
    /// Commit that holds them: its hash, `changed since HASH`, or `none`.
    pub source_commit: String,
}

/// Describes the machine, its programs, the engine and Handoff itself.
pub fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: &Programs,
    tools: &Tools,
    engine: &EngineFacts,
    revision: &Revision,
) -> Environment {
    let mut versions: BTreeMap<String, String> = programs.versions.clone();
    versions.extend(tools.versions.clone());
    versions.extend(engine.versions.clone());
    let jobs = versions.remove(JOB_DISK).unwrap_or_default();
    let mut environment = machine(work_dir, service_store, versions, programs.packages.clone(), revision);
    environment.disk_speed.clone_from(&engine.disk_speed);
    if !jobs.is_empty() {
        environment.disk = format!("{}; jobs: {jobs}", environment.disk);
        set_id(&mut environment);
    }
    environment
}

/// Describes the machine of a GitHub job, whose programs are the machine's own.
pub fn of_job(work_dir: &Path, versions: BTreeMap<String, String>, revision: &Revision) -> Environment {
    machine(work_dir, "", versions, BTreeMap::new(), revision)
}

fn machine(
    work_dir: &Path,
    service_store: &str,
    programs: BTreeMap<String, String>,
    packages: BTreeMap<String, String>,
    revision: &Revision,
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
        handoff: revision.handoff.clone(),
        source_digest: revision.source_digest.clone(),
        source_commit: revision.source_commit.clone(),
        disk_speed: None,
    };
    set_id(&mut environment);
    environment
}

/// Names an environment by a digest of its identity.
pub fn set_id(environment: &mut Environment) {
    let mut hasher = Sha256::new();
    for (name, value) in environment.identity() {
        // Neither holds this byte, so that two lists never give the same bytes.
        hasher.update([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    let digest = hasher.finalize();
    let first: [u8; 4] = std::array::from_fn(|i| digest[i]);
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

    #[test]
    fn id_follows_the_sources_and_not_their_commit_nor_the_disk_speed() {
        let of = |digest: &str, commit: &str| {
            let (source_digest, source_commit) = (digest.to_owned(), commit.to_owned());
            let revision = Revision { handoff: format!("0.1.0 ({commit})"), source_digest, source_commit };
            of_job(Path::new("/"), BTreeMap::new(), &revision)
        };
        let one = of("sha256:aa", "1111");
        assert_eq!(one.id.len(), 8);
        assert_eq!(one.id, of("sha256:aa", "changed since 1111").id);
        assert_ne!(one.id, of("sha256:bb", "1111").id);
        let mut measured = one.clone();
        measured.disk_speed = Some(handoff_model::DiskMeasurement::not_measured("no space"));
        set_id(&mut measured);
        assert_eq!(one.id, measured.id);
    }
}
