//! The engine's programs: found in the private prefix of `make setup` or on PATH, and checked for their versions.

mod sets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_model::EngineVersion;

use crate::EngineError;
use crate::command::first_line;

pub use sets::{EngineSet, all as sets};

/// Paths and versions of the engine's programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `PATH` of every child process.
    pub path: String,
    /// The buildx plugin.
    pub buildx: PathBuf,
    /// Version of each program.
    pub versions: BTreeMap<String, String>,
    /// Version and digest of each package, as recorded by `make setup`.
    pub packages: BTreeMap<String, String>,
}

const PLUGIN_DIRS: [&str; 4] = [
    "usr/libexec/docker/cli-plugins",
    "usr/lib/docker/cli-plugins",
    "usr/local/lib/docker/cli-plugins",
    "usr/local/libexec/docker/cli-plugins",
];

/// Oldest versions that work: (program, major, minor). dockerd 28 contains a BuildKit newer than 0.20.
const OLDEST_VERSIONS: [(&str, u32, u32); 3] =
    [("dockerd", EngineVersion::OLDEST, 0), ("containerd", 1, 7), ("buildx", 0, 21)];

/// Folder of `make setup`: `HANDOFF_HOME`, else `handoff` in the user's cache folder.
pub fn home() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("HANDOFF_HOME").unwrap_or_else(|| {
        let cache = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
        cache.unwrap_or_else(|| PathBuf::from("/var/cache")).join("handoff")
    })
}

impl Programs {
    /// Finds the programs in the prefix of `make setup`, else on PATH, and checks their versions.
    ///
    /// # Errors
    /// A program is missing, too old or does not run; or the manifest of packages cannot be read.
    pub fn find() -> Result<Self, EngineError> {
        Self::of_set(&EngineSet::installed())
    }

    /// Finds the programs with a version of Docker, and checks their versions.
    ///
    /// # Errors
    /// As for [`Programs::find`], and a version that no set of programs has.
    pub fn of_version(version: EngineVersion) -> Result<Self, EngineError> {
        Self::of_set(&sets::of_version(version)?)
    }

    /// Finds the programs of a set, and checks their versions.
    ///
    /// # Errors
    /// As for [`Programs::find`].
    pub fn of_set(set: &EngineSet) -> Result<Self, EngineError> {
        let path = set.path();
        for program in ["dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker"] {
            if on_path(&path, program).is_none() {
                return Err(EngineError::MissingProgram(program.to_owned()));
            }
        }
        let roots = set.prefixes.iter().map(PathBuf::as_path).chain([Path::new("/")]);
        let buildx = roots
            .flat_map(|root| PLUGIN_DIRS.iter().map(move |dir| root.join(dir).join("docker-buildx")))
            .find(|p| p.exists())
            .ok_or_else(|| EngineError::MissingProgram("docker-buildx".to_owned()))?;
        let mut packages = BTreeMap::new();
        for prefix in set.prefixes.iter().rev() {
            packages.extend(packages_of(&prefix.join("manifest.json"))?);
        }
        let mut programs = Self { path, buildx, versions: BTreeMap::new(), packages };
        programs.read_versions()?;
        programs.check_versions()?;
        Ok(programs)
    }

    fn read_versions(&mut self) -> Result<(), EngineError> {
        let buildx = self.buildx.clone();
        let commands: [(&str, &Path, &[&str]); 5] = [
            ("dockerd", Path::new("dockerd"), &["--version"]),
            ("containerd", Path::new("containerd"), &["--version"]),
            ("runc", Path::new("runc"), &["--version"]),
            ("docker", Path::new("docker"), &["--version"]),
            ("buildx", &buildx, &["version"]),
        ];
        for (name, program, args) in commands {
            let program = if program.is_absolute() { program.to_owned() } else { self.program(name)? };
            let line = first_line(&duct::cmd(&program, args).full_env(self.child_env()), name);
            let unusable =
                |error: EngineError| EngineError::Unusable { program: name.to_owned(), error: error.to_string() };
            self.versions.insert(name.to_owned(), line.map_err(unusable)?);
        }
        Ok(())
    }

    fn check_versions(&self) -> Result<(), EngineError> {
        for (name, major, minor) in OLDEST_VERSIONS {
            // A program without a version counts as too old.
            let text = self.versions.get(name).cloned().unwrap_or_default();
            if version(&text).is_none_or(|found| found < (major, minor)) {
                let (program, floor) = (name.to_owned(), format!("{major}.{minor}"));
                return Err(EngineError::TooOld { program, found: text, floor });
            }
        }
        Ok(())
    }

    /// Whether runc knows time namespaces, as it does from version 1.2 on.
    pub(crate) fn has_time_namespaces(&self) -> bool {
        self.versions.get("runc").and_then(|text| version(text)).is_none_or(|found| found >= (1, 2))
    }

    /// Full path of a program.
    ///
    /// # Errors
    /// The program is not on [`Programs::path`].
    pub fn program(&self, name: &str) -> Result<PathBuf, EngineError> {
        on_path(&self.path, name).ok_or_else(|| EngineError::MissingProgram(name.to_owned()))
    }

    /// Minimal environment of the programs: nothing of the user's environment reaches a child process.
    pub fn child_env(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("PATH".to_owned(), self.path.clone()), ("LC_ALL".to_owned(), "C".to_owned())])
    }
}

/// Looks a program up in a PATH.
pub fn on_path(path: &str, program: &str) -> Option<PathBuf> {
    path.split(':').filter(|d| !d.is_empty()).map(|dir| Path::new(dir).join(program)).find(|p| p.is_file())
}

/// First `major.minor` in a text such as `Docker version 28.5.2+dfsg4, build 1` or `github.com/docker/buildx 0.29.1 x`.
pub fn version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.');
        let major = parts.next()?.parse().ok()?;
        let minor: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        Some((major, minor.parse().ok()?))
    })
}

/// Package versions from set-up's manifest. Programs that set-up has not unpacked have none.
fn packages_of(manifest: &Path) -> Result<BTreeMap<String, String>, EngineError> {
    let bytes = match std::fs::read(manifest) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other.map_err(EngineError::io("read", manifest))?,
    };
    let odd = || EngineError::Unusable {
        program: "the engine".to_owned(),
        error: format!(
            "{} is not a list of packages: make it again with `make setup` or `make engine-29`",
            manifest.display()
        ),
    };
    let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| odd())?;
    let package = |p: &serde_json::Value| {
        let text = |key: &str| p.get(key).and_then(|v| v.as_str());
        Some((text("name")?.to_owned(), format!("{} sha256:{}", text("version")?, text("sha256").unwrap_or("?"))))
    };
    let list = json.get("packages").and_then(|p| p.as_array()).ok_or_else(odd)?;
    list.iter().map(|p| package(p).ok_or_else(odd)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_first_number_of_a_program_s_output() {
        assert_eq!(version("Docker version 28.5.2+dfsg4, build 28.5.2+dfsg4-5"), Some((28, 5)));
        assert_eq!(version("github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4"), Some((0, 29)));
        assert_eq!(version("containerd github.com/containerd/containerd/v2 v2.1.9 abc"), Some((2, 1)));
        assert_eq!(version("runc version 1.1.5+ds1"), Some((1, 1)));
        assert_eq!(version("no number"), None);
    }

    #[test]
    fn unreadable_manifest_is_an_error_and_a_missing_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("manifest.json");
        std::fs::write(&file, r#"{"packages":[{"name":"docker.io","version":"28.5.2","sha256":"ab"}]}"#).unwrap();
        let expected = BTreeMap::from([("docker.io".to_owned(), "28.5.2 sha256:ab".to_owned())]);
        assert_eq!(packages_of(&file).unwrap(), expected);
        for text in ["{", "{}", r#"{"packages":[{"x":1}]}"#] {
            std::fs::write(&file, text).unwrap();
            let error = packages_of(&file).unwrap_err().to_string();
            assert!(error.contains("manifest.json") && error.contains("make setup"), "{error}");
        }
        assert!(packages_of(&dir.path().join("none")).unwrap().is_empty());
    }
}
