//! Folder of a run's jobs, the lock that allows one run per machine, and the removal of leftovers.
//!
//! A note in the folder names the run's process, its jobs and their objects. Only files, cgroups and objects that a note
//! names, and the disk limits that a job's folder records, are removed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use handoff_docker::user::OwnedResources;
use handoff_docker::{disk_limit, leftovers};
use handoff_machine::proc::start_ticks;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::RunError;

/// Default work folder: on disk, with a short path, because sockets are below it.
pub const DEFAULT_WORK_DIR: &str = "/var/tmp/handoff";
/// Lock of the machine, which one run at a time holds.
pub const MACHINE_LOCK: &str = "/run/handoff.lock";
const NOTE: &str = "run.json";

/// Process of a run, its jobs, and their folders and objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    pid: i32,
    /// Start time of the process in clock ticks since boot, which tells a reused process identifier apart.
    started: u64,
    jobs: Vec<String>,
    /// Folders of the run elsewhere.
    #[serde(default)]
    folders: Vec<PathBuf>,
    /// Objects of the jobs in the user's daemon.
    #[serde(default, rename = "made")]
    resources: Vec<OwnedResources>,
}

/// Folder of a run.
#[derive(Debug)]
pub struct Workspace {
    dir: PathBuf,
    note: Note,
    /// Held until the run ends.
    _lock: File,
}

/// Leftovers of an interrupted run.
#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    /// Folder of the run.
    pub dir: PathBuf,
    /// Jobs of the run.
    pub jobs: Vec<String>,
    /// Folders of the run elsewhere.
    pub folders: Vec<PathBuf>,
    /// Possible objects of the jobs in the user's daemon.
    #[serde(rename = "made")]
    pub resources: Vec<OwnedResources>,
}

impl Workspace {
    /// Takes a lock ([`MACHINE_LOCK`] for anything that measures) and creates the folder of a run.
    ///
    /// # Errors
    /// Another run holds the lock, or a folder cannot be created.
    pub fn create(lock: &Path, work_dir: &Path, run: &str) -> Result<Self, RunError> {
        let path = lock.to_owned();
        let lock = File::create(&path).map_err(RunError::io("create", &path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| RunError::Busy(path))?;
        fs::create_dir_all(work_dir).map_err(RunError::io("create", work_dir))?;
        let dir = work_dir.join(run);
        fs::create_dir_all(&dir).map_err(RunError::io("create", &dir))?;
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        // With a wrong time, the next run would remove this run as a dead one.
        let started = start_ticks(pid).ok_or_else(|| {
            RunError::Missing(format!("/proc/{pid}/stat has no start time of this process: mount /proc"))
        })?;
        let note = Note { pid, started, jobs: Vec::new(), folders: Vec::new(), resources: Vec::new() };
        let workspace = Self { dir, note, _lock: lock };
        workspace.write_note()?;
        Ok(workspace)
    }

    fn write_note(&self) -> Result<(), RunError> {
        let path = self.dir.join(NOTE);
        let json = serde_json::to_vec(&self.note).map_err(|e| RunError::Job(format!("{}: {e}", path.display())))?;
        let write = || {
            // Readable for `handoff clean` without root.
            let mode = fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(&self.dir)?;
            file.write_all(&json)?;
            file.as_file().sync_all()?;
            file.persist(&path).map(drop).map_err(|e| e.error)
        };
        write().map_err(RunError::io("write", &path))
    }

    /// Folder of the run.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Records a job and its objects in the user's daemon, then creates the job's folder.
    ///
    /// # Errors
    /// An object's name is in use, or a file cannot be written.
    pub fn add_job(&mut self, job: &str, resources: Option<OwnedResources>) -> Result<PathBuf, RunError> {
        if let Some(resources) = &resources {
            resources.claim()?;
        }
        self.note.jobs.push(job.to_owned());
        self.note.resources.extend(resources);
        self.write_note()?;
        let dir = self.dir.join(job);
        fs::create_dir_all(&dir).map_err(RunError::io("create", &dir))?;
        Ok(dir)
    }

    /// Records a folder elsewhere that the run removes at its end, then creates it.
    ///
    /// # Errors
    /// A file or folder cannot be written.
    pub fn add_folder(&mut self, dir: &Path) -> Result<(), RunError> {
        self.note.folders.push(dir.to_owned());
        self.write_note()?;
        fs::create_dir_all(dir).map_err(RunError::io("create", dir))
    }

    /// Removes the folder, cgroups, disk limit and daemon objects of a job whose processes have ended.
    ///
    /// # Errors
    /// A file or a limit cannot be removed, or the user's daemon does not answer.
    pub fn remove_job(&mut self, job: &str) -> Result<(), RunError> {
        for resources in self.note.resources.iter().filter(|r| r.job == job) {
            resources.remove()?;
        }
        self.note.resources.retain(|r| r.job != job);
        let dir = self.dir.join(job);
        disk_limit::remove(&dir)?;
        leftovers::remove_folder(&dir)?;
        leftovers::remove_cgroups(job);
        self.note.jobs.retain(|j| j != job);
        self.write_note()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let Note { jobs, folders, resources, .. } = self.note.clone();
        // The note stays after a failure: the next run, or `handoff clean`, finds it.
        let _ = remove(&Leftover { dir: self.dir.clone(), jobs, folders, resources });
    }
}

/// Leftovers below a work folder of runs whose process has ended.
///
/// # Errors
/// The work folder exists and cannot be read.
pub fn leftovers(work_dir: &Path) -> Result<Vec<Leftover>, RunError> {
    let entries = match fs::read_dir(work_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(Iterator::collect::<Result<Vec<fs::DirEntry>, _>>),
    };
    let entries = entries.map_err(RunError::io("read", work_dir))?;
    let dead = |dir: PathBuf| {
        // A folder without a readable note is not one of Handoff and stays.
        let note: Note = serde_json::from_slice(&fs::read(dir.join(NOTE)).ok()?).ok()?;
        let alive = start_ticks(note.pid).is_some_and(|s| s == note.started);
        (!alive).then_some(Leftover { dir, jobs: note.jobs, folders: note.folders, resources: note.resources })
    };
    Ok(entries.into_iter().filter_map(|e| dead(e.path())).collect())
}

/// Removes the files, cgroups, disk limits and daemon objects of a run whose namespaces have ended.
///
/// # Errors
/// The user's daemon does not answer, or a limit cannot be removed: the files stay, with the note.
pub fn remove(leftover: &Leftover) -> Result<(), RunError> {
    for resources in &leftover.resources {
        resources.remove()?;
    }
    for job in &leftover.jobs {
        disk_limit::remove(&leftover.dir.join(job))?;
        leftovers::remove_cgroups(job);
    }
    for folder in &leftover.folders {
        // The folder is in memory and disappears at the next boot at the latest.
        let _ = leftovers::remove_folder(folder);
    }
    // The next run or `handoff clean` finds a folder that a process still uses.
    let _ = leftovers::remove_folder(&leftover.dir);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_folders_with_a_note_of_a_dead_process() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = dir.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        let mine = Workspace::create(&dir.path().join("lock"), dir.path(), "mine").unwrap();
        let dead = dir.path().join("dead");
        fs::create_dir(&dead).unwrap();
        let note =
            Note { pid: 1, started: u64::MAX, jobs: vec!["no-such-job".into()], folders: vec![], resources: vec![] };
        fs::write(dead.join(NOTE), serde_json::to_vec(&note).unwrap()).unwrap();
        let found = leftovers(dir.path()).unwrap();
        assert_eq!(found.iter().map(|l| l.dir.clone()).collect::<Vec<_>>(), std::slice::from_ref(&dead));
        remove(&found[0]).unwrap();
        assert!(!dead.exists() && foreign.exists() && mine.dir().exists());
        drop(mine);
        assert!(!dir.path().join("mine").exists());
    }

    #[test]
    fn second_run_on_a_machine_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Workspace::create(&dir.path().join("lock"), dir.path(), "a").unwrap();
        let error = Workspace::create(&dir.path().join("lock"), dir.path(), "b").unwrap_err().to_string();
        assert!(error.contains("another run"), "{error}");
    }
}
