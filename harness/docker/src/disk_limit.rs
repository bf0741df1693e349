//! Limit of a job's private disk, held by the kernel's block controller.
//!
//! Under cgroup v1, a rule of the root group limits the loop device. The rule outlives the job and its file system, so that the
//! job's folder records the rule before it is set. Only a rule that such a record names is removed. Under cgroup v2, `io.max` of
//! the job's own group limits the device, and disappears with the group. No run has used this form yet.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use handoff_machine::proc::{Mount, mounts};
use handoff_model::DiskLimit;
use serde::{Deserialize, Serialize};

use crate::{EngineError, disk, names};

/// File in the job's folder that names the rules.
const RECORD: &str = "disk-limit.json";
const WRITE_RULES: &str = "blkio.throttle.write_bps_device";
const READ_RULES: &str = "blkio.throttle.read_bps_device";
const IO_MAX: &str = "io.max";
/// Controllers of cgroup v2 that a limit needs: without `memory`, the kernel attributes buffered writes to the root group.
const CONTROLLERS: [&str; 2] = ["io", "memory"];

/// Block controller of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockController {
    /// Root group of the `blkio` hierarchy of cgroup v1.
    V1(PathBuf),
    /// Root group of cgroup v2.
    V2(PathBuf),
}

/// Rules of one job for one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Name of the job.
    job: String,
    /// Device as `major:minor`.
    device: String,
    limit: DiskLimit,
}

impl BlockController {
    /// Finds a block controller that can limit a job's disk.
    ///
    /// # Errors
    /// The machine has none, or its cgroup v2 does not delegate it.
    pub fn find() -> Result<Self, EngineError> {
        Self::among(&mounts()?).map_err(EngineError::NoDiskLimit)
    }

    fn among(mounts: &[Mount]) -> Result<Self, String> {
        if let Some(group) = v1_group(mounts) {
            return Ok(Self::V1(group));
        }
        let group = mounts.iter().find(|mount| mount.kind == "cgroup2").map(|mount| mount.point.clone());
        let group = group.ok_or("neither `blkio` of cgroup v1 nor cgroup v2 is mounted on this machine")?;
        let lacks = |file: &str| {
            let has = fs::read_to_string(group.join(file)).unwrap_or_default();
            CONTROLLERS.into_iter().find(|name| !has.split_whitespace().any(|word| word == *name))
        };
        if let Some(name) = lacks("cgroup.controllers") {
            return Err(format!("cgroup v2 at {} has no `{name}` controller", group.display()));
        }
        let delegated = "cgroup.subtree_control";
        lacks(delegated).map_or(Ok(()), |name| {
            let file = group.join(delegated);
            Err(format!(
                "cgroup v2 does not delegate its `{name}` controller (run `echo '+io +memory' > {}`)",
                file.display()
            ))
        })?;
        Ok(Self::V2(group))
    }

    /// Name for the environment of a run.
    pub fn name(&self) -> &'static str {
        match self {
            Self::V1(_) => "blkio.throttle of cgroup v1",
            Self::V2(_) => "io.max of cgroup v2",
        }
    }

    /// Limits a device for this process and its children, which are the job in the folder `root`.
    fn limit(&self, record: &Record, root: &Path) -> Result<(), EngineError> {
        match self {
            Self::V1(group) => {
                record.check_free(group)?;
                record.save(root)?;
                // Reads count for the group of their process, and only the root group has the rule.
                write(&group.join("cgroup.procs"), "0")?;
                record.set(group)
            }
            Self::V2(group) => {
                record.save(root)?;
                let group = group.join(names::of_job(&record.job));
                // The group of the containers is another one below, and a group with groups below holds no process.
                let leaf = group.join("job");
                fs::create_dir_all(&leaf).map_err(EngineError::io("create", &leaf))?;
                write(&group.join(IO_MAX), &record.io_max())?;
                write(&leaf.join("cgroup.procs"), "0")
            }
        }
    }

    /// Removes the rules that still are as recorded.
    fn reset(&self, record: &Record) -> Result<(), EngineError> {
        match self {
            Self::V1(group) => record.reset(group),
            Self::V2(group) => {
                let file = group.join(names::of_job(&record.job)).join(IO_MAX);
                // The limit has ended with the group.
                if !file.exists() {
                    return Ok(());
                }
                write(&file, &Record { limit: DiskLimit::NONE, ..record.clone() }.io_max())
            }
        }
    }
}

/// Root group of the `blkio` hierarchy, if this machine has one with rules for devices.
fn v1_group(mounts: &[Mount]) -> Option<PathBuf> {
    let is_blkio = |mount: &&Mount| mount.kind == "cgroup" && mount.options.split(',').any(|option| option == "blkio");
    mounts.iter().find(is_blkio).map(|mount| mount.point.clone()).filter(|group| group.join(WRITE_RULES).exists())
}

fn write(path: &Path, text: &str) -> Result<(), EngineError> {
    fs::write(path, text).map_err(EngineError::io("write", path))
}

/// Rate of a device's rule in a file of the root group; none without a rule.
fn rule(group: &Path, file: &str, device: &str) -> Result<Option<u64>, EngineError> {
    let path = group.join(file);
    let rules = fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
    let rate = |line: &str| line.strip_prefix(device)?.strip_prefix(' ')?.trim().parse::<u64>().ok();
    Ok(rules.lines().find_map(rate).filter(|rate| *rate > 0))
}

impl Record {
    fn rules(&self) -> [(&'static str, Option<u64>); 2] {
        [(WRITE_RULES, self.limit.write), (READ_RULES, self.limit.read)]
    }

    /// Refuses a device that has a rule: another program or an interrupted run has set it.
    fn check_free(&self, group: &Path) -> Result<(), EngineError> {
        for (file, _) in self.rules() {
            if let Some(rate) = rule(group, file, &self.device)? {
                return Err(EngineError::DiskRule { device: self.device.clone(), rate, file: group.join(file) });
            }
        }
        Ok(())
    }

    fn save(&self, root: &Path) -> Result<(), EngineError> {
        let path = root.join(RECORD);
        let json = serde_json::to_vec(self).map_err(|e| EngineError::Api(format!("{}: {e}", path.display())))?;
        let save = || {
            let mut file = tempfile::NamedTempFile::new_in(root)?;
            file.write_all(&json)?;
            file.as_file().sync_all()?;
            file.persist(&path).map(drop).map_err(|e| e.error)
        };
        save().map_err(EngineError::io("write", &path))
    }

    fn read(root: &Path) -> Result<Option<Self>, EngineError> {
        let path = root.join(RECORD);
        match fs::read(&path) {
            Ok(json) => {
                let invalid = |e| EngineError::io("read", &path)(std::io::Error::other(e));
                serde_json::from_slice(&json).map(Some).map_err(invalid)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(EngineError::io("read", &path)(e)),
        }
    }

    fn set(&self, group: &Path) -> Result<(), EngineError> {
        let set = |(file, rate): (&str, u64)| write(&group.join(file), &format!("{} {rate}", self.device));
        self.rules().into_iter().filter_map(|(file, rate)| Some((file, rate?))).try_for_each(set)
    }

    /// Removes the rules that still are as recorded.
    fn reset(&self, group: &Path) -> Result<(), EngineError> {
        for (file, rate) in self.rules() {
            if rate.is_some() && rule(group, file, &self.device)? == rate {
                write(&group.join(file), &format!("{} 0", self.device))?;
            }
        }
        Ok(())
    }

    /// Line of `io.max` (`Documentation/admin-guide/cgroup-v2.rst` of the kernel).
    fn io_max(&self) -> String {
        let rate = |rate: Option<u64>| rate.map_or_else(|| "max".to_owned(), |rate| rate.to_string());
        format!("{} rbps={} wbps={}", self.device, rate(self.limit.read), rate(self.limit.write))
    }
}

/// Limits the private file system on `dir` for this process, which is the job `job` in the folder `root`.
///
/// # Errors
/// The job has no private file system, the machine has no block controller, or the device has a rule of another program, which
/// a job without a limit must not inherit either.
pub fn apply(limit: DiskLimit, dir: &Path, job: &str, root: &Path) -> Result<(), EngineError> {
    let device = disk::device_number(dir);
    if limit.is_none() {
        let (Some(device), Some(group)) = (device, v1_group(&mounts()?)) else { return Ok(()) };
        return Record { job: job.to_owned(), device, limit }.check_free(&group);
    }
    let no_disk = || EngineError::NoDiskLimit("the job has no file system of its own on a loop device".to_owned());
    let record = Record { job: job.to_owned(), device: device.ok_or_else(no_disk)?, limit };
    BlockController::find()?.limit(&record, root)
}

/// Removes the rules that the record in a job's folder names, where they still are as recorded, and the record.
///
/// # Errors
/// A rule cannot be removed, for example without root.
pub fn remove(root: &Path) -> Result<(), EngineError> {
    let Some(record) = Record::read(root)? else { return Ok(()) };
    // Rules end with the controller.
    BlockController::among(&mounts()?).map_or(Ok(()), |controller| controller.reset(&record))?;
    let path = root.join(RECORD);
    fs::remove_file(&path).map_err(EngineError::io("remove", &path))
}

/// Device and limit that the record in a job's folder names, for people.
pub fn recorded(root: &Path) -> Option<String> {
    let Record { device, limit, .. } = Record::read(root).ok()??;
    Some(format!("{limit} of block device {device}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn record() -> Record {
        Record {
            job: "j".to_owned(),
            device: "7:3".to_owned(),
            limit: DiskLimit { write: Some(100 * MIB), read: None },
        }
    }

    /// Folder with the files of a `blkio` root group and of a job.
    fn v1(write_rules: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (group, root) = (dir.path().join("blkio"), dir.path().join("job"));
        fs::create_dir(&group).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(group.join(WRITE_RULES), write_rules).unwrap();
        fs::write(group.join(READ_RULES), "").unwrap();
        (dir, group, root)
    }

    fn mount(kind: &str, point: &Path, options: &str) -> Mount {
        Mount { source: "cgroup".into(), point: point.to_owned(), kind: kind.into(), options: options.into() }
    }

    #[test]
    fn rule_is_recorded_before_it_is_set_and_removed_by_its_record() {
        let (_dir, group, root) = v1("7:30 5\n");
        BlockController::V1(group.clone()).limit(&record(), &root).unwrap();
        assert_eq!(Record::read(&root).unwrap(), Some(record()));
        assert_eq!(rule(&group, WRITE_RULES, "7:3").unwrap(), Some(100 * MIB));
        assert_eq!(fs::read_to_string(group.join("cgroup.procs")).unwrap(), "0");
        assert_eq!(recorded(&root).unwrap(), "write=100MiB/s of block device 7:3");
        record().reset(&group).unwrap();
        assert_eq!(fs::read_to_string(group.join(WRITE_RULES)).unwrap(), "7:3 0");
        assert_eq!(rule(&group, WRITE_RULES, "7:3").unwrap(), None);
    }

    #[test]
    fn foreign_rule_is_neither_replaced_nor_removed() {
        let (_dir, group, root) = v1("7:3 5\n");
        let error = BlockController::V1(group.clone()).limit(&record(), &root).unwrap_err().to_string();
        assert!(error.contains("7:3") && error.contains("handoff clean --remove"), "{error}");
        assert_eq!(Record::read(&root).unwrap(), None, "nothing is recorded that was not set");
        let unlimited = Record { limit: DiskLimit::NONE, ..record() };
        assert!(unlimited.check_free(&group).is_err(), "a job without a limit does not inherit it");
        record().reset(&group).unwrap();
        assert_eq!(fs::read_to_string(group.join(WRITE_RULES)).unwrap(), "7:3 5\n");
    }

    #[test]
    fn controller_is_found_or_its_lack_is_explained() {
        let (dir, group, _) = v1("");
        let [tmpfs, blkio] = [mount("tmpfs", dir.path(), "rw"), mount("cgroup", &group, "rw,relatime,blkio")];
        assert_eq!(BlockController::among(&[tmpfs.clone(), blkio]), Ok(BlockController::V1(group)));
        assert!(BlockController::among(&[tmpfs]).unwrap_err().contains("neither"));
        let v2 = dir.path().join("v2");
        fs::create_dir(&v2).unwrap();
        let mounts = [mount("cgroup2", &v2, "rw")];
        assert!(BlockController::among(&mounts).unwrap_err().contains("no `io` controller"));
        fs::write(v2.join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        fs::write(v2.join("cgroup.subtree_control"), "cpu io pids\n").unwrap();
        let error = BlockController::among(&mounts).unwrap_err();
        assert!(error.contains("does not delegate its `memory`") && error.contains("echo '+io +memory' > "), "{error}");
        fs::write(v2.join("cgroup.subtree_control"), "cpu io memory\n").unwrap();
        assert_eq!(BlockController::among(&mounts), Ok(BlockController::V2(v2)));
    }

    #[test]
    fn v2_limits_the_group_of_the_job_and_joins_a_group_below() {
        let dir = tempfile::tempdir().unwrap();
        let group = dir.path().join("handoff-j");
        // A folder of the kernel has its files from the start.
        fs::create_dir_all(group.join("job")).unwrap();
        let controller = BlockController::V2(dir.path().to_owned());
        controller.limit(&record(), dir.path()).unwrap();
        assert_eq!(fs::read_to_string(group.join("io.max")).unwrap(), "7:3 rbps=max wbps=104857600");
        assert_eq!(fs::read_to_string(group.join("job/cgroup.procs")).unwrap(), "0");
        controller.reset(&record()).unwrap();
        assert_eq!(fs::read_to_string(group.join("io.max")).unwrap(), "7:3 rbps=max wbps=max");
        fs::remove_dir_all(&group).unwrap();
        controller.reset(&record()).unwrap();
        assert!(!group.exists(), "the limit has ended with the group");
    }

    #[test]
    fn job_without_a_private_disk_has_no_limit() {
        let dir = tempfile::tempdir().unwrap();
        apply(DiskLimit::NONE, dir.path(), "j", dir.path()).unwrap();
        let error = apply(DiskLimit::both(MIB), dir.path(), "j", dir.path()).unwrap_err().to_string();
        assert!(error.contains("loop device") && error.contains("disk=none"), "{error}");
        remove(dir.path()).unwrap();
    }
}
