//! Environment of a run: the machine, and the programs, clients and engine of its jobs.

use std::collections::BTreeMap;
use std::path::Path;

use handoff_docker::Programs;
use handoff_machine::{FileError, Revision};
use handoff_model::environment::{ENGINE_VERSION, set_id};
use handoff_model::{EngineVersion, Environment};

use crate::protocol::{EngineFacts, JOB_DISK};
use crate::tools::Tools;

/// Versions by name. A name whose versions differ between the run's engine versions names each with its engine version.
pub(crate) fn by_engine_version(all: &BTreeMap<EngineVersion, BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let same = |name: &str, found: &String| all.values().all(|versions| versions.get(name) == Some(found));
    let named = all.iter().flat_map(|(engine_version, versions)| {
        let name = move |name: &String, found: &String| {
            if same(name, found) { name.clone() } else { format!("{name} ({ENGINE_VERSION} {engine_version})") }
        };
        versions.iter().map(move |(key, found)| (name(key, found), found.clone()))
    });
    named.collect()
}

/// Describes the machine, its programs, the engine and Handoff.
pub(crate) fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: &BTreeMap<EngineVersion, Programs>,
    tools: &Tools,
    engine: &EngineFacts,
    revision: &Revision,
) -> Result<Environment, FileError> {
    let of_programs = programs.iter().map(|(version, programs)| (*version, programs.versions.clone()));
    let mut versions = by_engine_version(&of_programs.collect());
    // Those of the engine are of the installed set, which need not be the run's.
    let of_engine = |name: &String| programs.values().any(|programs| programs.versions.contains_key(name));
    versions.extend(tools.versions.clone().into_iter().filter(|(name, _)| !of_engine(name)));
    versions.extend(engine.versions.clone());
    let jobs = versions.remove(JOB_DISK);
    let packages = programs.values().flat_map(|programs| programs.packages.clone()).collect();
    let mut environment = handoff_machine::describe(work_dir, service_store, versions, packages, revision)?;
    environment.disk_speed.clone_from(&engine.disk_speed);
    environment.timeouts_ms = handoff_model::timeouts::in_ms(&[
        ("docker", handoff_docker::timeouts::TIMEOUTS),
        ("runner", crate::timeouts::TIMEOUTS),
        ("services", handoff_services::timeouts::TIMEOUTS),
    ]);
    if let Some(jobs) = jobs {
        environment.disk = format!("{}; jobs: {jobs}", environment.disk);
        set_id(&mut environment);
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_differ_between_engine_versions_are_named_with_theirs() {
        let versions = |dockerd: &str| {
            let all = [("dockerd", dockerd), ("runc", "1.1.5")];
            all.map(|(name, version)| (name.to_owned(), version.to_owned())).into()
        };
        let (old, new) = (EngineVersion::Major(28), EngineVersion::Major(29));
        let one = by_engine_version(&[(new, versions("29.8.1"))].into());
        assert_eq!(one, versions("29.8.1"));
        let two = by_engine_version(&[(old, versions("28.5.2")), (new, versions("29.8.1"))].into());
        let names: Vec<(&str, &str)> = two.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        let (first, second) = ("dockerd (engine version 28)", "dockerd (engine version 29)");
        assert_eq!(names, [(first, "28.5.2"), (second, "29.8.1"), ("runc", "1.1.5")]);
    }
}
