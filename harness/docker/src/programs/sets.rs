//! Sets of an engine's programs on this machine, from which a version of Docker is chosen.

use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::EngineVersion;

use super::{home, on_path, version};
use crate::EngineError;
use crate::command::first_line;

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Set of an engine's programs. Programs that its prefixes lack come from `PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSet {
    /// Name.
    pub name: String,
    /// Prefixes in the order of the search.
    pub prefixes: Vec<PathBuf>,
}

impl EngineSet {
    /// Programs in the prefix of `make setup`, else on `PATH`.
    pub fn installed() -> Self {
        let prefix = std::env::var_os("HANDOFF_ENGINE_PREFIX").map_or_else(|| home().join("engine"), PathBuf::from);
        let prefixes = if has_dockerd(&prefix) { vec![prefix] } else { Vec::new() };
        Self { name: EngineVersion::Installed.to_string(), prefixes }
    }

    /// `PATH` of the set's processes.
    pub(crate) fn path(&self) -> String {
        let own = self.prefixes.iter().map(|prefix| format!("{0}/usr/sbin:{0}/usr/bin:", prefix.display()));
        let (own, tools) = (own.collect::<String>(), home().join("tools/programs"));
        format!("{own}{}:{}:{SYSTEM_PATH}", tools.display(), std::env::var("PATH").unwrap_or_default())
    }

    /// First line of a daemon's `--version`.
    ///
    /// # Errors
    /// The program is missing or does not run.
    pub fn version_of(&self, program: &str) -> Result<String, EngineError> {
        let path = self.path();
        let found = on_path(&path, program).ok_or_else(|| EngineError::MissingProgram(program.to_owned()))?;
        first_line(&duct::cmd!(found, "--version").env("PATH", path), program)
    }
}

/// Every set of this machine: the installed one, that of `PATH`, and those that were built.
pub fn all() -> Vec<EngineSet> {
    let installed = EngineSet::installed();
    let of_path = EngineSet { name: "PATH".to_owned(), prefixes: Vec::new() };
    // Without a prefix, the installed programs are those of PATH.
    let also = (!installed.prefixes.is_empty() && on_path(&of_path.path(), "dockerd").is_some()).then_some(of_path);
    let mut built: Vec<EngineSet> = fs::read_dir(home().join("engines"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| has_dockerd(&entry.path()))
        .map(|entry| EngineSet {
            name: format!("engines/{}", entry.file_name().display()),
            prefixes: [entry.path()].into_iter().chain(installed.prefixes.clone()).collect(),
        })
        .collect();
    built.sort_by(|a, b| a.name.cmp(&b.name));
    [installed].into_iter().chain(also).chain(built).collect()
}

/// Set with a version of Docker: the first of [`all`] that has it.
///
/// # Errors
/// No set has it.
pub(super) fn of_version(asked: EngineVersion) -> Result<EngineSet, EngineError> {
    let EngineVersion::Major(major) = asked else { return Ok(EngineSet::installed()) };
    // A set whose daemon does not run has no version: `handoff doctor` reports its error.
    choose(major, all().into_iter().filter_map(|set| Some((set.version_of("dockerd").ok()?, set))))
}

/// First of the sets, each with the output of its daemon, that has a major version.
fn choose(major: u32, sets: impl Iterator<Item = (String, EngineSet)>) -> Result<EngineSet, EngineError> {
    let mut found = Vec::new();
    for (line, set) in sets {
        if version(&line).is_some_and(|(has, _)| has == major) {
            return Ok(set);
        }
        found.push(format!("{}: {line}", set.name));
    }
    let found = if found.is_empty() { "there is none".to_owned() } else { found.join("; ") };
    Err(EngineError::NoVersion { asked: major.to_string(), found })
}

fn has_dockerd(prefix: &Path) -> bool {
    prefix.join("usr/sbin/dockerd").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_set_with_the_major_version_is_chosen_and_a_refusal_names_what_is_there() {
        let set = |name: &str| EngineSet { name: name.to_owned(), prefixes: vec![PathBuf::from(name)] };
        let here = || {
            let sets = [
                ("Docker version 28.5.2+dfsg4, build 1", "installed"),
                ("Docker version 29.8.2, build 2", "PATH"),
                ("Docker version 29.8.1-moby-v2.0.0-beta.24, build library-import", "engines/29"),
            ];
            sets.into_iter().map(|(line, name)| (line.to_owned(), set(name)))
        };
        assert_eq!(choose(28, here()).unwrap().name, "installed");
        assert_eq!(choose(29, here()).unwrap().name, "PATH");
        let error = choose(30, here()).unwrap_err().to_string();
        assert!(error.contains("installed: Docker version 28.5.2") && error.contains("Docker 30 on PATH"), "{error}");
        let error = choose(29, here().take(1)).unwrap_err().to_string();
        assert!(error.contains("run `make engine-29`"), "{error}");
    }

    #[test]
    fn prefixes_come_before_the_path() {
        let set = EngineSet { name: "two".to_owned(), prefixes: vec!["/first".into(), "/second".into()] };
        assert!(set.path().starts_with("/first/usr/sbin:/first/usr/bin:/second/usr/sbin:/second/usr/bin:"));
    }
}
