//! The journal: a run's results folder, written so that a kill at any byte loses at most the trial under way.
//!
//! A trial's rows go to `consumers.csv` and `spans.csv` first, its row in `measurements.csv` last, each synced: that
//! row commits the trial. [`Journal::open`] drops whatever has no such row, so the trial simply runs again. Files that
//! are replaced (`plan.json`, `environments.json`, a repaired CSV) are written beside and renamed. `docs/format.md`
//! documents the columns.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::{Environment, Plan, PlanRequest, Trial};

use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

mod agree;
mod compare;
mod environment;
mod error;
mod files;
mod finding;
mod folder;
mod load;
mod plan;
mod results;
mod row;
mod shape;
mod table;
mod verify;

#[cfg(test)]
mod agree_tests;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verify_tests;

pub use compare::difference;
pub use environment::same_sources;
pub use error::JournalError;
pub use load::read_plan;
pub use results::{Results, run_name};
pub use row::columns;

use files::CsvFile;

/// Name of the plan's file: a folder that has it is a results folder.
pub const PLAN: &str = "plan.json";
/// Name of the environments' file.
pub const ENVIRONMENTS: &str = "environments.json";
/// Name of the folder of log folders.
pub const LOGS: &str = "logs";

type Result<T> = std::result::Result<T, JournalError>;

/// A results folder that rows are appended to.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    plan: Plan,
    environments: Vec<Environment>,
    consumers: CsvFile,
    spans: CsvFile,
    measurements: CsvFile,
    done: HashSet<String>,
    repairs: Vec<String>,
}

impl Journal {
    /// Starts a run in `dir`, which must be new, empty, or left by a start that never got as far as its plan.
    ///
    /// # Errors
    /// [`JournalError::HoldsRun`] and [`JournalError::Foreign`] for a folder in use, [`JournalError::Io`] where it
    /// cannot be written. Nothing that was there is changed, and nothing half written stays.
    pub fn create(dir: &Path, plan: &Plan, environments: &[Environment]) -> Result<Self> {
        let created = folder::prepare(dir)?;
        let files = (|| {
            // The plan comes last: it is what makes the folder a run, so a start that was cut off leaves none.
            files::write_json(dir, ENVIRONMENTS, environments)?;
            let consumers = CsvFile::fresh::<ConsumerRow>(dir)?;
            let spans = CsvFile::fresh::<SpanRow>(dir)?;
            let measurements = CsvFile::fresh::<MeasurementRow>(dir)?;
            files::write_json(dir, PLAN, plan)?;
            Ok((consumers, spans, measurements))
        })();
        let (consumers, spans, measurements) = files.inspect_err(|_| folder::undo(dir, created))?;
        Ok(Self {
            dir: dir.to_owned(),
            plan: plan.clone(),
            environments: environments.to_vec(),
            consumers,
            spans,
            measurements,
            done: HashSet::new(),
            repairs: Vec::new(),
        })
    }

    /// Opens a run to go on with it, and gives the rows of the trials that are done, in file order.
    ///
    /// What a crash left is repaired: a torn last line, and rows of trials without a row in `measurements.csv`, are
    /// dropped; [`Journal::repairs`] says so.
    ///
    /// # Errors
    /// A folder without a run, a plan that was altered or written by another version, or rows that cannot be used and that
    /// no crash explains: one line with file, line, and the fix. Nothing is changed then.
    pub fn open(dir: &Path) -> Result<(Self, Vec<MeasurementRow>)> {
        let loaded = load::load(dir, load::LoadMode::Resume)?;
        let consumers = CsvFile::repaired(dir, &loaded.rows.consumers)?;
        let spans = CsvFile::repaired(dir, &loaded.rows.spans)?;
        let measurements = CsvFile::repaired(dir, &loaded.rows.measurements)?;
        let rows = loaded.rows.measurements.rows;
        let journal = Self {
            dir: dir.to_owned(),
            plan: loaded.plan,
            environments: loaded.environments,
            consumers,
            spans,
            measurements,
            done: rows.iter().map(|r| r.trial.clone()).collect(),
            repairs: loaded.findings.texts(),
        };
        Ok((journal, rows))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The plan that the folder holds.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The machines and programs that the run has used so far.
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// Repairs of [`Journal::open`], one line each; empty for a run that ended cleanly.
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// The trials that have no row yet, in the order in which they run.
    pub fn remaining(&self) -> impl Iterator<Item = &Trial> {
        self.plan.trials.iter().filter(|t| !self.done.contains(&t.id))
    }

    /// Checks that `given` asks for the plan that the folder holds.
    ///
    /// The run's random name is not compared: a call that resumes makes a new one, the folder's counts.
    ///
    /// # Errors
    /// [`JournalError::OtherPlan`] with the option that differs and both values.
    pub fn same_plan(&self, given: &PlanRequest) -> Result<()> {
        match difference(&self.plan.request, given) {
            None => Ok(()),
            Some((option, held, asked)) => {
                Err(JournalError::OtherPlan { dir: self.dir.clone(), option, held, given: asked })
            }
        }
    }

    /// Commits a trial: its consumers and spans first, then its measurement, each synced to disk. The measurement gets the
    /// number of the spans, by which a reader notices that one is lost.
    ///
    /// # Errors
    /// Rows that do not belong together or to the plan, a trial that has a row already, or a failed write; the files
    /// are then put back to where they were, as far as the system lets us.
    pub fn append(&mut self, consumers: &[ConsumerRow], spans: &[SpanRow], row: &MeasurementRow) -> Result<()> {
        let trial = &row.trial;
        if !self.plan.trials.iter().any(|t| t.id == *trial) {
            return Err(JournalError::Misuse(format!("trial `{trial}` is not in the plan")));
        }
        if self.done.contains(trial) {
            return Err(JournalError::Misuse(format!("trial `{trial}` has a row already")));
        }
        if consumers.iter().any(|r| r.trial != *trial) || spans.iter().any(|r| r.trial != *trial) {
            return Err(JournalError::Misuse(format!("rows of another trial came with trial `{trial}`")));
        }
        let row = MeasurementRow { spans: Some(spans.len() as u64), ..row.clone() };
        let written = self
            .consumers
            .append(consumers)
            .and_then(|()| self.spans.append(spans))
            .and_then(|()| self.measurements.append(std::slice::from_ref(&row)));
        if let Err(error) = written {
            for file in [&mut self.measurements, &mut self.spans, &mut self.consumers] {
                file.roll_back();
            }
            return Err(error);
        }
        for file in [&mut self.consumers, &mut self.spans, &mut self.measurements] {
            file.keep();
        }
        self.done.insert(trial.clone());
        Ok(())
    }

    /// Records another machine or other programs (a resumed run after an update); one that is known changes nothing.
    ///
    /// # Errors
    /// [`JournalError::Io`] where `environments.json` cannot be replaced.
    pub fn add_environment(&mut self, environment: &Environment) -> Result<()> {
        if self.environments.iter().any(|e| e.id == environment.id) {
            return Ok(());
        }
        let mut all = self.environments.clone();
        all.push(environment.clone());
        files::write_json(&self.dir, ENVIRONMENTS, &all)?;
        self.environments = all;
        Ok(())
    }

    /// Goes on in an environment: gives the `environment` of the rows that follow.
    ///
    /// An environment that the run has used already keeps its id, so that rows of equal environments carry one.
    ///
    /// # Errors
    /// [`JournalError::OtherEnvironment`] for another one than the run has used, unless the run is to be `mixed`: then the
    /// environment is recorded beside the others. [`JournalError::Io`] where it cannot be.
    pub fn go_on_in(&mut self, environment: &Environment, mixed: bool) -> Result<String> {
        match environment::find(&self.environments, environment) {
            Ok(known) => Ok(known.id.clone()),
            Err(_) if mixed => {
                self.add_environment(environment)?;
                Ok(environment.id.clone())
            }
            Err(differences) => Err(JournalError::OtherEnvironment { dir: self.dir.clone(), differences }),
        }
    }

    /// The trial's log folder, made if it is not there.
    ///
    /// # Errors
    /// [`JournalError::Io`] where it cannot be made.
    pub fn log_dir(&self, trial: &str) -> Result<PathBuf> {
        let path = self.dir.join(LOGS).join(trial);
        fs::create_dir_all(&path).map_err(JournalError::io("make", &path))?;
        Ok(path)
    }
}
