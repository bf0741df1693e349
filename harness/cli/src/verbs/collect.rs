//! `handoff collect`: the rows of a run on GitHub.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use handoff_driver::DriverError;
use handoff_driver::github::{self, CellJob, Collected, Waits};
use handoff_driver::journal::{Journal, PLAN};
use handoff_model::Plan;
use serde::de::DeserializeOwned;

use crate::exit::{self, bad_input};
use crate::out;

/// Options of `collect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan of the run, with `cells.json` beside it
    #[arg(long, value_name = "FILE", default_value = "handoff-plan/plan.json")]
    plan: PathBuf,
    /// Folder with what the jobs have left
    #[arg(long, value_name = "DIR", default_value = "handoff-sides")]
    sides: PathBuf,
    /// Results folder; one that holds this plan already is gone on with
    #[arg(long, value_name = "DIR", default_value = "handoff-results")]
    out: PathBuf,
}

pub fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).map_err(DriverError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| bad_input(format!("{}: {e}", path.display())))
}

/// Joins a run's files into a results folder.
pub fn join(plan: &Path, sides: &Path, out: &Path, waits: &BTreeMap<String, Waits>) -> anyhow::Result<Collected> {
    let cells: Vec<CellJob> = read_json(&plan.with_file_name("cells.json"))?;
    let plan: Plan = read_json(plan)?;
    let mut journal = if out.join(PLAN).exists() {
        let (journal, _) = Journal::open(out)?;
        if journal.plan().hash != plan.hash {
            return Err(bad_input(format!("{} holds another plan: name another --out", out.display())));
        }
        journal
    } else {
        Journal::create(out, &plan, &[])?
    };
    let files = github::read_sides(sides)?;
    Ok(github::join(&mut journal, &cells, &files, waits)?)
}

/// Says what was collected; the code of a run whose trials failed where some did.
pub fn tell(collected: Collected, out: &Path) -> ExitCode {
    let Collected { completed, failed, outstanding } = collected;
    out::talk(&format!("{completed} trials completed, {failed} failed, {outstanding} not started: {}", out.display()));
    ExitCode::from(if failed == 0 { exit::OK } else { exit::TRIALS_FAILED })
}

impl Args {
    /// Joins what lies in folders.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let collected = join(&self.plan, &self.sides, &self.out, &BTreeMap::new())?;
        Ok(tell(collected, &self.out))
    }
}
