//! Start of a job: writes sources and environment off the clock, then starts the clock.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_machine::{Revision, describe};
use handoff_model::{Failure, ImageIdentity, Role, RoleUsage};
use handoff_strategies::recorder::monotonic_ns;

use super::{JOB_DIR, JobFile, Readings, WORK_DIR, docker, engine, marks, write_file};
use crate::cell::CellJob;
use crate::{GithubError, Result};

/// Writes the sources, describes the machine, and starts the clock, in the workspace `dir`.
///
/// # Errors
/// A file cannot be written, or the engine does not answer.
pub fn begin(dir: &Path, cell: &CellJob, role: Role, consumer: Option<u32>, revision: &Revision) -> Result<()> {
    for name in [JOB_DIR, WORK_DIR] {
        let folder = dir.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(GithubError::io("remove", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(GithubError::io("create", &folder))?;
    }
    engine::start_if_enabled(dir)?;
    cell.image_spec()?.write_context(&dir.join(WORK_DIR).join("sources"))?;
    let versions = docker::versions();
    let image_store = docker::image_store()?;
    let mut file = JobFile {
        trial: cell.id.clone(),
        role,
        consumer,
        started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        environment: describe(dir, "", versions, BTreeMap::new(), revision)?,
        image_store,
        start: Readings::default(),
        failure: Some(Failure::new("job", "the job ended before its marks were read: its log has the reason")),
        wall_ns: 0,
        spans: Vec::new(),
        executed: Vec::new(),
        cached: Vec::new(),
        traced: false,
        cache_layers: Vec::new(),
        usage: RoleUsage::default(),
        identity: ImageIdentity::default(),
        source: String::new(),
        client: String::new(),
    };
    file.start = readings();
    write_file(dir, &file)?;
    marks::mark_at(dir, file.start.monotonic_ns, marks::START, "")
}

/// Reads the machine's counters.
pub(super) fn readings() -> Readings {
    let cpu = handoff_machine::machine_cpu_ns();
    Readings {
        busy_ns: cpu.map(|(busy, _)| busy),
        steal_ns: cpu.map(|(_, steal)| steal),
        pressure_ns: handoff_machine::pressure_ns(),
        load_1m: handoff_machine::load_1m(),
        wall_ns: jiff::Timestamp::now().as_nanosecond() as i64,
        monotonic_ns: monotonic_ns(),
    }
}
