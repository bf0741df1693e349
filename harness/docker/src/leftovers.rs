//! What a job leaves when its namespaces are gone: files below its folder, and empty cgroups of its name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::EngineError;

const CGROUPS: &str = "/sys/fs/cgroup";

/// The cgroup of a job: one name below the root of each hierarchy.
pub fn cgroup_name(job: &str) -> String {
    format!("handoff-{job}")
}

/// Removes a job's folder. The namespaces are gone, so nothing is mounted below it; if something is, this refuses.
pub fn remove_folder(dir: &Path) -> Result<(), EngineError> {
    if let Some(mount) = mounts_below(dir)?.into_iter().next() {
        let source = std::io::Error::other("something is still mounted there: end the process that holds it");
        return Err(EngineError::Io { what: "remove", path: mount, source });
    }
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(EngineError::io("remove", dir)(e)),
        _ => Ok(()),
    }
}

/// The mount points below a folder in this process's namespace.
///
/// # Errors
/// A table that does not read: what is mounted there would be removed with the folder.
pub fn mounts_below(dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let path = "/proc/self/mountinfo";
    let table = fs::read_to_string(path).map_err(EngineError::io("read", path))?;
    let mounts = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(path.replace("\\040", " ")))
        .filter(|path| path.starts_with(dir));
    Ok(mounts.collect())
}

/// Removes a job's cgroups in every hierarchy. A cgroup is a folder that goes with `rmdir` once no process is in it.
pub fn remove_cgroups(job: &str) {
    let name = cgroup_name(job);
    let mut roots = vec![PathBuf::from(CGROUPS)];
    // A machine without cgroups has none to remove.
    roots.extend(fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|e| e.path()));
    for root in roots {
        remove_tree(&root.join(&name));
    }
}

fn remove_tree(dir: &Path) {
    // A hierarchy in which the job had no cgroup has no such folder.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // What cannot be removed holds a process of somebody: it is found again by `handoff clean`.
    let _ = fs::remove_dir(dir);
}

/// Whether cgroups of a job are there.
pub fn has_cgroups(job: &str) -> bool {
    let name = cgroup_name(job);
    // A machine without cgroups has none of the job's either.
    fs::read_dir(CGROUPS).into_iter().flatten().flatten().any(|e| e.path().join(&name).is_dir())
        || Path::new(CGROUPS).join(&name).is_dir()
}
