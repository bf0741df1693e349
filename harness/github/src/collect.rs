//! A run's files into a results folder: fetched from GitHub, or from where the workflow's own steps have put them.

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

/// The artifact with the plan of a run.
const PLAN_ARTIFACT: &str = "handoff-plan";
/// How the artifact with the file of a job begins.
const JOB_ARTIFACT: &str = "handoff-marks-";

/// Fetches what a run has left, and appends its rows to the folder `out`. What `warn` is given, a crash had left in the folder.
///
/// # Errors
/// A run without a plan, an API that does not answer as it should, files that do not read, or a folder that holds another plan.
pub fn of_run(remote: &Remote, id: u64, out: &Path, warn: Warn<'_>) -> Result<Collected> {
    let artifacts = remote.artifacts(id, |name| name == PLAN_ARTIFACT || name.starts_with(JOB_ARTIFACT))?;
    let scratch = std::env::temp_dir().join(format!("handoff-collect-{}", std::process::id()));
    let result = unpack(&artifacts, &scratch).and_then(|()| {
        let plan = scratch.join(PLAN_ARTIFACT).join(PLAN);
        if !plan.exists() {
            return Err(GithubError::Input(format!("run {id} left no plan: its first job says why")));
        }
        join(&plan, &scratch, out, &waits(&remote.jobs(id)?), warn)
    });
    // The system's temporary folder, which the system clears.
    let _ = fs::remove_dir_all(&scratch);
    result
}

/// Appends the rows of the run that this is a job of, whose files are here. `repository` names the run together with the
/// environment, so that GitHub can be asked how long jobs waited.
///
/// # Errors
/// As [`of_run`], but an API that does not answer is none: `warn` is given why, and columns stay empty.
pub fn of_files(plan: &Path, files: &Path, out: &Path, repository: Option<&str>, warn: Warn<'_>) -> Result<Collected> {
    let run = variable("GITHUB_RUN_ID").and_then(|t| t.parse().ok());
    let jobs = match (Api::of_job(), repository, run) {
        (Some(api), Some(repository), Some(id)) => {
            Remote::new(api, repository).and_then(|remote| Ok(remote.jobs(id)?)).unwrap_or_else(|error| {
                warn(&format!("the jobs' waits are not known: {error}"));
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
            return Err(GithubError::Input(format!("{} holds another plan: name another --out", out.display())));
        }
        journal
    } else {
        Journal::create(out, &plan, &[])?
    };
    append(&mut journal, &cells, &read_files(files)?, waits)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = handoff_model::regular_file::read(path).map_err(|e| {
        let fix = "name the plan with --plan FILE, or a run to fetch with --repo OWNER/NAME --run-id N";
        GithubError::Input(format!("cannot read {}: {e}: {fix}", path.display()))
    })?;
    serde_json::from_slice(&bytes).map_err(|e| GithubError::Input(format!("{}: {e}", path.display())))
}

/// Unpacks each artifact into a folder of its name.
fn unpack(artifacts: &[(String, Vec<u8>)], above: &Path) -> Result<()> {
    for (name, bytes) in artifacts {
        let bad = |e: zip::result::ZipError| GithubError::Input(format!("artifact {name}: {e}"));
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(bad)?;
        let dir = above.join(name);
        fs::create_dir_all(&dir).map_err(GithubError::io("create", &dir))?;
        zip.extract(&dir).map_err(bad)?;
    }
    Ok(())
}
