//! Leftovers of a job after its namespaces have ended: files below its folder, and empty cgroups of its name.

use std::fs;
use std::path::{Path, PathBuf};

use handoff_machine::proc::mounts;

use crate::{EngineError, names};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Removes a job's folder.
///
/// # Errors
/// A file system is still mounted below the folder, or a file cannot be removed.
pub fn remove_folder(dir: &Path) -> Result<(), EngineError> {
    if let Some(mount) = mounts_below(dir)?.into_iter().next() {
        let source = std::io::Error::other("something is still mounted there: end the process that holds it");
        return Err(EngineError::io("remove", mount)(source));
    }
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(EngineError::io("remove", dir)(e)),
        _ => Ok(()),
    }
}

/// Mount points below a folder in this process's mount namespace.
///
/// # Errors
/// The mount table cannot be read: a mounted file system would then be removed with the folder.
pub fn mounts_below(dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    Ok(mounts()?.into_iter().map(|mount| mount.point).filter(|point| point.starts_with(dir)).collect())
}

/// Removes a job's cgroups in every hierarchy. A cgroup is a folder that `rmdir` removes once no process is in it.
pub fn remove_cgroups(job: &str) {
    let name = names::of_job(job);
    let mut roots = vec![PathBuf::from(CGROUPS)];
    roots.extend(fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|e| e.path()));
    for root in roots {
        remove_tree(&root.join(&name));
    }
}

fn remove_tree(dir: &Path) {
    // Most hierarchies have no such folder.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // A cgroup with a process stays: `handoff clean` finds it again.
    let _ = fs::remove_dir(dir);
}

/// Whether a job has cgroups.
pub fn has_cgroups(job: &str) -> bool {
    let name = names::of_job(job);
    fs::read_dir(CGROUPS).into_iter().flatten().flatten().any(|e| e.path().join(&name).is_dir())
        || Path::new(CGROUPS).join(&name).is_dir()
}
