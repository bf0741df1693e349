//! The machine and the programs that a run used: written before the first trial.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::DiskMeasurement;
use crate::list::unique;

/// A text of an environment that nobody could read: never an empty one.
pub const UNKNOWN: &str = "unknown";

/// Words behind a program's name, in brackets and before the engine version, where the engine versions of a run differ in it.
pub const ENGINE_VERSION: &str = "engine version";

/// Everything about a machine and its programs that may change a result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Short digest of [`Environment::identity`]: the `environment` column.
    pub id: String,
    /// CPU model.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// File system and free bytes where engines keep their data, as text.
    pub disk: String,
    /// Storage of the service's blobs: `tmpfs` or `disk`.
    pub service_store: String,
    /// Kernel release.
    pub kernel: String,
    /// Distribution.
    pub os: String,
    /// Versions of programs: dockerd, containerd, runc, buildx, buildkit, docker, node, zstd, tar, clients.
    pub programs: BTreeMap<String, String>,
    /// Packages that set-up unpacked: name to version and digest.
    pub packages: BTreeMap<String, String>,
    /// Version of Handoff, with commit and digest of its sources in short.
    pub handoff: String,
    /// Digest of the sources that Handoff was built from, `sha256:` and 64 digits; empty in older folders.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_digest: String,
    /// Commit that holds these sources: its hash, `changed since HASH`, or `none` without git; empty in older folders.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_commit: String,
    /// Speed of the file system that jobs use; none in older folders and on GitHub's runners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_speed: Option<DiskMeasurement>,
    /// Limits of the jobs' disk, and the block controller that holds them; empty in older folders and on GitHub's runners, where nothing
    /// was limited.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub disk_limits: String,
    /// Time limits of Handoff's programs in milliseconds; empty in older folders and on GitHub's runners.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts_ms: BTreeMap<String, u64>,
}

/// Difference between two environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Name of the differing value: `cpu`, `sources`, a program.
    pub name: String,
    /// Value in the first.
    pub first: String,
    /// Value in the second.
    pub second: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; {})", self.name, self.first, self.second)
    }
}

/// Name of the sources' digest in an identity.
pub const SOURCES: &str = "sources";

impl Environment {
    /// Named values that identify an environment: machine, programs and sources.
    ///
    /// Left out is what varies without changing a result: free space, the pages that a kernel keeps from boot to boot, the
    /// commit (other commits hold the same sources), the measured speed of the disk, its limits, which are conditions of the rows, and
    /// the time limits, which the sources hold.
    pub fn identity(&self) -> Vec<(String, String)> {
        let gib = (self.memory_bytes as f64 / f64::from(1 << 30)).round();
        let file_systems: Vec<&str> = self.disk.split("; ").map(|d| d.split(',').next().unwrap_or_default()).collect();
        let fixed = [
            ("cpu", self.cpu.clone()),
            ("cores", self.cores.to_string()),
            ("memory", format!("{gib} GiB")),
            ("disk", file_systems.join("; ")),
            ("service store", self.service_store.clone()),
            ("kernel", self.kernel.clone()),
            ("system", self.os.clone()),
            (SOURCES, self.sources()),
        ];
        let programs = self.programs.iter().map(|(name, version)| (name.clone(), version.clone()));
        let packages = self.packages.iter().map(|(name, version)| (format!("package {name}"), version.clone()));
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(programs).chain(packages).collect()
    }

    /// Digest of the sources; where none is recorded, what Handoff said of itself.
    fn sources(&self) -> String {
        if self.source_digest.is_empty() {
            return format!("not recorded, handoff {}", self.handoff);
        }
        self.source_digest.clone()
    }

    /// Differences between this identity and that of `other`; empty for the same environment.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (first, second) = (self.identity(), other.identity());
        let names = unique(first.iter().chain(&second).map(|(name, _)| name.clone()));
        let (first, second): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (first.into_iter().collect(), second.into_iter().collect());
        let value =
            |of: &BTreeMap<String, String>, name: &str| of.get(name).cloned().unwrap_or_else(|| "none".to_owned());
        names
            .into_iter()
            .map(|name| Difference { first: value(&first, &name), second: value(&second, &name), name })
            .filter(|d| d.first != d.second)
            .collect()
    }
}

/// Names an environment by a digest of its identity.
pub fn set_id(environment: &mut Environment) {
    environment.id = id_of(environment);
}

/// Digest of an environment's identity.
pub fn id_of(environment: &Environment) -> String {
    let mut hasher = Sha256::new();
    for (name, value) in environment.identity() {
        // Neither holds this byte, so that two lists never give the same bytes.
        hasher.update([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    hex::encode(&hasher.finalize()[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            cpu: "Sample CPU".into(),
            cores: 2,
            memory_bytes: 8 << 30,
            disk: "ext4, 40 GiB free; jobs: ext4 of its own".into(),
            kernel: "6.1.0".into(),
            programs: [("dockerd".to_owned(), "28.0.4".to_owned())].into(),
            source_digest: "sha256:aa".into(),
            ..Environment::default()
        }
    }

    fn names(a: &Environment, b: &Environment) -> Vec<String> {
        a.differences(b).into_iter().map(|d| d.name).collect()
    }

    #[test]
    fn every_changed_identity_field_is_reported() {
        let one = environment();
        type Change = fn(&mut Environment);
        let changes: [(&str, Change); 10] = [
            ("cpu", |e| e.cpu = "Other".into()),
            ("cores", |e| e.cores = 4),
            ("memory", |e| e.memory_bytes *= 2),
            ("disk", |e| e.disk = "ext4, 40 GiB free; jobs: a folder".into()),
            ("service store", |e| e.service_store = "tmpfs".into()),
            ("kernel", |e| e.kernel = "6.2.0".into()),
            ("system", |e| e.os = "Other 1".into()),
            ("sources", |e| e.source_digest = "sha256:bb".into()),
            ("dockerd", |e| drop(e.programs.insert("dockerd".into(), "29".into()))),
            ("package runc", |e| drop(e.packages.insert("runc".into(), "1.2".into()))),
        ];
        for (name, change) in changes {
            let mut two = one.clone();
            change(&mut two);
            assert_eq!(names(&one, &two), [name]);
            assert_eq!(names(&two, &one), [name]);
        }
    }

    #[test]
    fn free_space_kernel_pages_commit_and_disk_speed_are_ignored() {
        let one = environment();
        let two = Environment {
            memory_bytes: one.memory_bytes - 5_000_000,
            disk: "ext4, 9 GiB free; jobs: ext4 of its own".into(),
            source_commit: "0123".into(),
            handoff: "0.1.0 (commit 0123)".into(),
            disk_speed: Some(DiskMeasurement::not_measured("no space")),
            disk_limits: "200MiB/s by cgroup v1".into(),
            timeouts_ms: BTreeMap::from([("docker API_CALL".to_owned(), 1)]),
            ..one.clone()
        };
        assert_eq!(one.differences(&two), []);
    }

    #[test]
    fn missing_source_digest_differs_from_every_digest() {
        let old = Environment { source_digest: String::new(), handoff: "0.1.0 (0759f6dccf99)".into(), ..environment() };
        let difference = &old.differences(&environment())[0];
        assert_eq!(difference.to_string(), "sources (not recorded, handoff 0.1.0 (0759f6dccf99); sha256:aa)");
        assert_eq!(old.differences(&old.clone()), []);
    }

    #[test]
    fn older_environment_reads_without_sources_and_disk_speed() {
        let old = r#"{"id":"e0","cpu":"","cores":2,"memory_bytes":1,"disk":"ext4","service_store":"disk","kernel":"",
            "os":"","programs":{},"packages":{},"handoff":"0.1.0 (0000000)"}"#;
        let read: Environment = serde_json::from_str(old).unwrap();
        assert_eq!((read.source_digest.as_str(), read.source_commit.as_str(), read.disk_speed), ("", "", None));
    }
}
