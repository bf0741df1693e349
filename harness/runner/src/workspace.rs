//! The folder in which a run's jobs live, the lock that allows one run a machine, and the ledger by which what a run
//! that was cut off has left is found again.
//!
//! The ledger is the folder itself: one folder a run, with a note of the process that owns it. Nothing outside it, and no
//! cgroup but those named after a job listed there, is ever removed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use handoff_docker::leftovers;
use handoff_docker::user::OwnedResources;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::RunError;

/// Where runs live unless told otherwise: on disk, and short, because sockets are below it.
pub const DEFAULT_WORK_DIR: &str = "/var/tmp/handoff";
/// The lock of the machine: one run at a time measures, whatever its work folder.
pub const MACHINE_LOCK: &str = "/run/handoff.lock";
const NOTE: &str = "run.json";

/// Who owns a run's folder, and which jobs it has started.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    pid: i32,
    /// Start time of that process in clock ticks since boot: a number given again to another process is told apart.
    started: u64,
    jobs: Vec<String>,
    /// Folders elsewhere that belong to the run.
    #[serde(default)]
    folders: Vec<PathBuf>,
    /// What its jobs make in the user's daemon.
    #[serde(default)]
    made: Vec<OwnedResources>,
}

/// A run's folder.
#[derive(Debug)]
pub struct Workspace {
    dir: PathBuf,
    note: Note,
    /// Held until the run ends.
    _lock: File,
}

/// What a run that was cut off has left.
#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    /// The run's folder.
    pub dir: PathBuf,
    /// Its jobs.
    pub jobs: Vec<String>,
    /// Folders elsewhere that belong to it.
    pub folders: Vec<PathBuf>,
    /// What its jobs may have made in the user's daemon.
    pub made: Vec<OwnedResources>,
}

impl Workspace {
    /// Takes a lock ([`MACHINE_LOCK`] for anything that measures) and makes a folder for a run.
    pub fn create(lock: &Path, work_dir: &Path, run: &str) -> Result<Self, RunError> {
        let path = lock.to_owned();
        let lock = File::create(&path).map_err(RunError::io("create", &path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| RunError::Busy(path))?;
        fs::create_dir_all(work_dir).map_err(RunError::io("create", work_dir))?;
        let dir = work_dir.join(run);
        fs::create_dir_all(&dir).map_err(RunError::io("create", &dir))?;
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        // A made-up time would make this run a dead one in the eyes of the next, which then removes it.
        let started = start_time(pid).ok_or_else(|| {
            RunError::Missing(format!("/proc/{pid}/stat does not tell when this process started: mount /proc"))
        })?;
        let note = Note { pid, started, jobs: Vec::new(), folders: Vec::new(), made: Vec::new() };
        let workspace = Self { dir, note, _lock: lock };
        workspace.write_note()?;
        Ok(workspace)
    }

    fn write_note(&self) -> Result<(), RunError> {
        let path = self.dir.join(NOTE);
        let json = serde_json::to_vec(&self.note).map_err(|e| RunError::Job(format!("{}: {e}", path.display())))?;
        let write = File::create(&path).and_then(|mut f| f.write_all(&json).and_then(|()| f.sync_all()));
        write.map_err(RunError::io("write", &path))
    }

    /// The run's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the folder of a job, and notes the job, and what it will make in the user's daemon, before any of it exists.
    pub fn add_job(&mut self, job: &str, made: Option<OwnedResources>) -> Result<PathBuf, RunError> {
        if let Some(made) = &made {
            made.claim()?;
        }
        self.note.jobs.push(job.to_owned());
        self.note.made.extend(made);
        self.write_note()?;
        let dir = self.dir.join(job);
        fs::create_dir_all(&dir).map_err(RunError::io("create", &dir))?;
        Ok(dir)
    }

    /// Makes a folder elsewhere that goes with the run, noted before it exists.
    pub fn add_folder(&mut self, dir: &Path) -> Result<(), RunError> {
        self.note.folders.push(dir.to_owned());
        self.write_note()?;
        fs::create_dir_all(dir).map_err(RunError::io("create", dir))
    }

    /// Removes a job's folder and cgroups, and what it made in the user's daemon, after its processes have ended.
    pub fn remove_job(&mut self, job: &str) -> Result<(), RunError> {
        for made in self.note.made.iter().filter(|m| m.job == job) {
            made.remove()?;
        }
        self.note.made.retain(|m| m.job != job);
        leftovers::remove_folder(&self.dir.join(job))?;
        leftovers::remove_cgroups(job);
        self.note.jobs.retain(|j| j != job);
        self.write_note()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let Note { jobs, folders, made, .. } = self.note.clone();
        // What cannot go now is still in the note: the next run, or `handoff clean`, finds it there.
        let _ = remove(&Leftover { dir: self.dir.clone(), jobs, folders, made });
    }
}

/// What runs whose process is gone have left below a work folder.
///
/// # Errors
/// A work folder that cannot be read; one that is not there holds nothing.
pub fn leftovers(work_dir: &Path) -> Result<Vec<Leftover>, RunError> {
    let entries = match fs::read_dir(work_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(Iterator::collect::<Result<Vec<fs::DirEntry>, _>>),
    };
    let entries = entries.map_err(RunError::io("read", work_dir))?;
    let dead = |dir: PathBuf| {
        // A folder without a note that reads is none of ours, and is left alone.
        let note: Note = serde_json::from_slice(&fs::read(dir.join(NOTE)).ok()?).ok()?;
        let alive = start_time(note.pid).is_some_and(|s| s == note.started);
        (!alive).then_some(Leftover { dir, jobs: note.jobs, folders: note.folders, made: note.made })
    };
    Ok(entries.into_iter().filter_map(|e| dead(e.path())).collect())
}

/// Removes what a run has left. The namespaces are gone already; files, cgroups and things in the user's daemon are not.
/// When the daemon does not answer everything stays, its note included.
pub fn remove(leftover: &Leftover) -> Result<(), RunError> {
    for made in &leftover.made {
        made.remove()?;
    }
    for job in &leftover.jobs {
        leftovers::remove_cgroups(job);
    }
    for folder in &leftover.folders {
        // In memory, so that it goes with the machine at the latest.
        let _ = leftovers::remove_folder(folder);
    }
    // A folder that cannot go now (a process of it is still ending) is found again by the next run or `handoff clean`.
    let _ = leftovers::remove_folder(&leftover.dir);
    Ok(())
}

fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_with_a_note_of_a_dead_process_are_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = dir.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        let mine = Workspace::create(&dir.path().join("lock"), dir.path(), "mine").unwrap();
        let dead = dir.path().join("dead");
        fs::create_dir(&dead).unwrap();
        let note = Note { pid: 1, started: u64::MAX, jobs: vec!["no-such-job".into()], folders: vec![], made: vec![] };
        fs::write(dead.join(NOTE), serde_json::to_vec(&note).unwrap()).unwrap();
        let found = leftovers(dir.path()).unwrap();
        assert_eq!(found.iter().map(|l| l.dir.clone()).collect::<Vec<_>>(), std::slice::from_ref(&dead));
        remove(&found[0]).unwrap();
        assert!(!dead.exists() && foreign.exists() && mine.dir().exists());
        drop(mine);
        assert!(!dir.path().join("mine").exists());
    }

    #[test]
    fn a_second_run_is_told_that_the_machine_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Workspace::create(&dir.path().join("lock"), dir.path(), "a").unwrap();
        let error = Workspace::create(&dir.path().join("lock"), dir.path(), "b").unwrap_err().to_string();
        assert!(error.contains("another run"), "{error}");
    }
}
