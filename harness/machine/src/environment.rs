//! Description of this machine, read once before the first trial.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_model::Environment;
use handoff_model::environment::{UNKNOWN, set_id};

use crate::error::FileError;
use crate::proc::{field_kib, mounts, read};

/// Type of the file system that holds a folder.
fn file_system(dir: &Path) -> Result<String, FileError> {
    let holds = mounts()?.into_iter().filter(|m| dir.starts_with(&m.point)).max_by_key(|m| m.point.as_os_str().len());
    Ok(holds.map_or_else(|| UNKNOWN.to_owned(), |mount| mount.kind))
}

/// Version and sources of the running program, which only the caller knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// Version, abbreviated commit and abbreviated digest.
    pub handoff: String,
    /// Digest of the sources.
    pub source_digest: String,
    /// Commit that holds the sources: its hash, `changed since HASH`, or `none`.
    pub source_commit: String,
}

/// Describes the machine with the programs and packages that trials use on it.
///
/// # Errors
/// A file of the kernel cannot be read, or lacks a line.
pub fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: BTreeMap<String, String>,
    packages: BTreeMap<String, String>,
    revision: &Revision,
) -> Result<Environment, FileError> {
    let cores = std::thread::available_parallelism().map_err(FileError::on("count the cores of", "this machine"))?;
    let memory = field_kib(&read("/proc/meminfo")?, "MemTotal:");
    let no_line = || std::io::Error::other("it has no line `MemTotal:`");
    let memory = memory.ok_or_else(no_line).map_err(FileError::on("read", "/proc/meminfo"))?;
    // Some systems lack this file.
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
        disk_limits: String::new(),
        timeouts_ms: BTreeMap::new(),
    };
    set_id(&mut environment);
    Ok(environment)
}

/// Value behind a name in a table of `name: value` or `name=value`; some processors report no name.
fn value_of(table: &str, name: &str) -> String {
    let value = table.lines().find_map(|l| l.strip_prefix(name));
    value.map_or(UNKNOWN, |v| v.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_value_is_unknown() {
        assert_eq!(value_of("processor\t: 0\nmodel name\t: Sample CPU\n", "model name"), "Sample CPU");
        assert_eq!(value_of("PRETTY_NAME=\"Debian\"\n", "PRETTY_NAME"), "Debian");
        assert_eq!(value_of("", "PRETTY_NAME"), "unknown");
    }

    #[test]
    fn id_depends_on_the_sources_but_not_on_commit_or_disk_speed() {
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
