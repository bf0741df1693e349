//! What this machine is: read once, before the first trial.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_model::Environment;
use handoff_model::environment::{UNKNOWN, set_id};

use crate::counters::field_kib;
use crate::error::MachineError;

/// Memory that can be had without swapping, in bytes; none where the kernel does not tell.
pub fn available_memory() -> Option<u64> {
    Some(field_kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? * 1024)
}

fn file_system(dir: &Path) -> Result<String, MachineError> {
    let table = read("/proc/self/mounts")?;
    let mounts = table.lines().filter_map(|l| {
        let mut fields = l.split(' ').skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    let holds = mounts.filter(|(point, _)| dir.starts_with(point)).max_by_key(|(point, _)| point.len());
    Ok(holds.map_or_else(|| UNKNOWN.to_owned(), |(_, kind)| kind))
}

/// Reads a file of the kernel's that every machine has.
fn read(path: &str) -> Result<String, MachineError> {
    fs::read_to_string(path).map_err(MachineError::io("read (is /proc mounted?)", path))
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

/// Describes the machine with the programs and packages that trials use on it.
///
/// # Errors
/// What the kernel does not tell.
pub fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: BTreeMap<String, String>,
    packages: BTreeMap<String, String>,
    revision: &Revision,
) -> Result<Environment, MachineError> {
    let cores = std::thread::available_parallelism().map_err(MachineError::io("count the cores of", "this machine"))?;
    let memory = field_kib(&read("/proc/meminfo")?, "MemTotal:");
    let memory = memory.ok_or_else(|| MachineError::Missing("/proc/meminfo has no line `MemTotal:`".to_owned()))?;
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
        handoff: revision.handoff.clone(),
        source_digest: revision.source_digest.clone(),
        source_commit: revision.source_commit.clone(),
        disk_speed: None,
    };
    set_id(&mut environment);
    Ok(environment)
}

/// The value behind a name in a table of `name: value` or `name=value`; processors of some kinds have no name.
fn value_of(table: &str, name: &str) -> String {
    let value = table.lines().find_map(|l| l.strip_prefix(name));
    value.map_or(UNKNOWN, |v| v.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_there_is_called_unknown() {
        assert_eq!(value_of("processor\t: 0\nmodel name\t: Sample CPU\n", "model name"), "Sample CPU");
        assert_eq!(value_of("PRETTY_NAME=\"Debian\"\n", "PRETTY_NAME"), "Debian");
        assert_eq!(value_of("", "PRETTY_NAME"), "unknown");
    }

    #[test]
    fn id_follows_the_sources_and_not_their_commit_nor_the_disk_speed() {
        let of = |digest: &str, commit: &str| {
            let (source_digest, source_commit) = (digest.to_owned(), commit.to_owned());
            let revision = Revision { handoff: format!("0.1.0 ({commit})"), source_digest, source_commit };
            describe(Path::new("/"), "", BTreeMap::new(), BTreeMap::new(), &revision).unwrap()
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
