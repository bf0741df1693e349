//! Environment of a run: the machine, and the programs, clients and engine of its jobs.

use std::path::Path;

use handoff_docker::Programs;
use handoff_machine::{FileError, Revision};
use handoff_model::Environment;
use handoff_model::environment::set_id;

use crate::protocol::{EngineFacts, JOB_DISK};
use crate::tools::Tools;

/// Describes the machine, its programs, the engine and Handoff.
pub(crate) fn describe(
    work_dir: &Path,
    service_store: &str,
    programs: &Programs,
    tools: &Tools,
    engine: &EngineFacts,
    revision: &Revision,
) -> Result<Environment, FileError> {
    let mut versions = programs.versions.clone();
    versions.extend(tools.versions.clone());
    versions.extend(engine.versions.clone());
    let jobs = versions.remove(JOB_DISK);
    let packages = programs.packages.clone();
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
