//! What this machine is: read once, before the first trial.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_engine::Programs;
use handoff_model::Environment;
use handoff_model::environment::UNKNOWN;
use sha2::{Digest, Sha256};

use crate::DriverError;
use crate::job::field_kib;
use crate::protocol::{EngineFacts, JOB_DISK};
use crate::tools::Tools;

/// Free bytes of the file system on which a folder is, or would be made.
///
/// # Errors
/// A file system that does not tell.
pub fn free_bytes(dir: &Path) -> Result<u64, DriverError> {
    let there = dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(there).map_err(std::io::Error::from);
    stat.map(|s| s.f_bavail * s.f_frsize).map_err(DriverError::io("ask for the free space of", there))
}

/// Memory that can be had without swapping, in bytes; none where the kernel does not tell.
pub fn available_memory() -> Option<u64> {
    Some(field_kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? * 1024)
}

fn file_system(dir: &Path) -> Result<String, DriverError> {
    let table = read("/proc/self/mounts")?;
    let mounts = table.lines().filter_map(|l| {
        let mut fields = l.split(' ').skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    let holds = mounts.filter(|(point, _)| dir.starts_with(point)).max_by_key(|(point, _)| point.len());
    Ok(holds.map_or_else(|| UNKNOWN.to_owned(), |(_, kind)| kind))
}

/// Reads a file of the kernel's that every machine has.
fn read(path: &str) -> Result<String, DriverError> {
    fs::read_to_string(path).map_err(DriverError::io("read (is /proc mounted?)", path))
}

/// Describes the machine, its programs and the engine.
pub fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: &Programs,
    tools: &Tools,
    engine: &EngineFacts,
) -> Result<Environment, DriverError> {
    let mut versions: BTreeMap<String, String> = programs.versions.clone();
    versions.extend(tools.versions.clone());
    versions.extend(engine.versions.clone());
    let jobs = versions.remove(JOB_DISK);
    let mut environment = machine(work_dir, service_store, versions, programs.packages.clone())?;
    if let Some(jobs) = jobs {
        environment.disk = format!("{}; jobs: {jobs}", environment.disk);
        set_id(&mut environment)?;
    }
    Ok(environment)
}

/// Describes the machine of a GitHub job, whose programs are the machine's own.
pub fn of_job(work_dir: &Path, versions: BTreeMap<String, String>) -> Result<Environment, DriverError> {
    machine(work_dir, "", versions, BTreeMap::new())
}

fn machine(
    work_dir: &Path,
    service_store: &str,
    programs: BTreeMap<String, String>,
    packages: BTreeMap<String, String>,
) -> Result<Environment, DriverError> {
    let cores = std::thread::available_parallelism().map_err(DriverError::io("count the cores of", "this machine"))?;
    let memory = field_kib(&read("/proc/meminfo")?, "MemTotal:");
    let memory = memory.ok_or_else(|| DriverError::Missing("/proc/meminfo has no line `MemTotal:`".to_owned()))?;
    // Some systems have no such file.
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let mut environment = Environment {
        id: String::new(),
        cpu: value_of(&read("/proc/cpuinfo")?, "model name"),
        cores: cores.get() as u32,
        memory_bytes: memory * 1024,
        disk: file_system(work_dir)?,
        service_store: service_store.to_owned(),
        kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        os: value_of(&os, "PRETTY_NAME"),
        programs,
        packages,
        handoff: format!(
            "{} ({})",
            env!("CARGO_PKG_VERSION"),
            option_env!("HANDOFF_REVISION").unwrap_or("revision unknown")
        ),
    };
    set_id(&mut environment)?;
    Ok(environment)
}

/// The value behind a name in a table of `name: value` or `name=value`; processors of some kinds have no name.
fn value_of(table: &str, name: &str) -> String {
    let value = table.lines().find_map(|l| l.strip_prefix(name));
    value.map_or(UNKNOWN, |v| v.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"')).to_owned()
}

/// The commit that the program was built from; a placeholder where it was built from an archive.
pub const COMMIT: &str = match option_env!("HANDOFF_COMMIT") {
    Some(commit) => commit,
    None => "COMMIT",
};

/// Names an environment by a digest of all the rest.
///
/// # Errors
/// An environment that has no JSON form: all such would share one name.
pub fn set_id(environment: &mut Environment) -> Result<(), DriverError> {
    environment.id.clear();
    let json = serde_json::to_vec(&environment).map_err(|e| DriverError::Job(format!("environment: {e}")))?;
    let first: [u8; 4] = std::array::from_fn(|i| Sha256::digest(&json)[i]);
    environment.id = format!("{:08x}", u32::from_be_bytes(first));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_where_it_would_be() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("not/there/yet")).unwrap() > 0);
    }

    #[test]
    fn text_that_is_not_there_is_called_unknown() {
        assert_eq!(value_of("processor\t: 0\nmodel name\t: Sample CPU\n", "model name"), "Sample CPU");
        assert_eq!(value_of("PRETTY_NAME=\"Debian\"\n", "PRETTY_NAME"), "Debian");
        assert_eq!(value_of("", "PRETTY_NAME"), "unknown");
    }
}
