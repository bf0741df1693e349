//! Collection of a run's files into a results folder: downloaded from GitHub, or local in a job of the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_model::Plan;
use handoff_records::{Journal, PLAN};
use serde::de::DeserializeOwned;

use crate::cell::CellJob;
use crate::inputs::{Warn, open};
use crate::job::read_files;
use crate::planned::CELLS;
use crate::remote::Remote;
use crate::rest::{Api, variable};
use crate::rows::{Collected, append};
use crate::waits::{Waits, waits};
use crate::{GithubError, Result};

/// Artifact with the plan of a run.
const PLAN_ARTIFACT: &str = "handoff-plan";
/// Prefix of the artifacts with the files of jobs.
const JOB_ARTIFACT_PREFIX: &str = "handoff-marks-";

/// Downloads the files of a run and appends its rows to the folder `out`. `warn` gets each repair of the folder after a
/// crash.
///
/// # Errors
/// The run has no plan, GitHub's API fails, a file cannot be read, or the folder holds another plan.
pub fn of_run(remote: &Remote, id: u64, out: &Path, warn: Warn<'_>) -> Result<Collected> {
    let artifacts = remote.artifacts(id, |name| name == PLAN_ARTIFACT || name.starts_with(JOB_ARTIFACT_PREFIX))?;
    let scratch = tempfile::tempdir().map_err(GithubError::io("create a folder in", std::env::temp_dir()))?;
    unpack(&artifacts, scratch.path())?;
    let plan = scratch.path().join(PLAN_ARTIFACT).join(PLAN);
    if !plan.exists() {
        return Err(GithubError::Input(format!("run {id} left no plan: the log of its first job says why")));
    }
    join(&plan, scratch.path(), out, &waits(&remote.jobs(id)?), warn)
}

/// Appends the rows of the run of this job from local files. With `repository`, GitHub's API tells how long jobs waited.
///
/// # Errors
/// As for [`of_run`], except a failure of the API: `warn` gets the reason, and columns stay empty.
pub fn of_files(plan: &Path, files: &Path, out: &Path, repository: Option<&str>, warn: Warn<'_>) -> Result<Collected> {
    let run = variable("GITHUB_RUN_ID").and_then(|t| t.parse().ok());
    let jobs = match (Api::of_job(), repository, run) {
        (Some(api), Some(repository), Some(id)) => {
            Remote::new(api, repository).and_then(|remote| Ok(remote.jobs(id)?)).unwrap_or_else(|error| {
                warn(&format!("the waiting times of jobs are unknown: {error}"));
                Vec::new()
            })
        }
        _ => Vec::new(),
    };
    join(plan, files, out, &waits(&jobs), warn)
}

fn join(plan: &Path, files: &Path, out: &Path, waits: &BTreeMap<String, Waits>, warn: Warn<'_>) -> Result<Collected> {
    let cells: Vec<CellJob> = read_json(&plan.with_file_name(CELLS))?;
    let plan: Plan = handoff_records::read_plan(plan)?;
    let mut journal = if out.join(PLAN).exists() {
        let journal = open(out, warn)?;
        if journal.plan().hash != plan.hash {
            return Err(GithubError::Input(format!("{} has another plan: name another --out", out.display())));
        }
        journal
    } else {
        Journal::create(out, &plan, &[])?
    };
    append(&mut journal, &cells, &read_files(files)?, waits)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = handoff_model::regular_file::read(path).map_err(|e| {
        let fix = "name the plan with --plan FILE, or a run with --repo OWNER/NAME --run-id N";
        GithubError::Input(format!("cannot read {}: {e}: {fix}", path.display()))
    })?;
    serde_json::from_slice(&bytes).map_err(|e| GithubError::Input(format!("{}: {e}", path.display())))
}

/// Unpacks each artifact into a folder with the artifact's name.
fn unpack(artifacts: &[(String, Vec<u8>)], parent: &Path) -> Result<()> {
    for (name, bytes) in artifacts {
        let bad = |e: zip::result::ZipError| GithubError::Input(format!("artifact {name}: {e}"));
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(bad)?;
        let dir = parent.join(name);
        fs::create_dir_all(&dir).map_err(GithubError::io("create", &dir))?;
        zip.extract(&dir).map_err(bad)?;
    }
    Ok(())
}
