//! Trial as an entry of the workflow's matrix, with the parameters of its jobs.

use std::collections::BTreeMap;

use handoff_model::{Builder, Plan, Recipe, Role, Trial};
use handoff_strategies::github::{self, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{GithubError, Result};

/// Largest number of jobs that GitHub runs from one matrix.
const MAX_CELLS: usize = 256;

/// Parameters of a trial's jobs, as one JSON value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CellJob {
    /// Name of the trial.
    pub id: String,
    /// Name of the strategy.
    pub strategy: String,
    /// Value of every option, and the texts that steps derive from them.
    pub options: BTreeMap<String, String>,
    /// Name of keys, scopes and artifacts.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Builder.
    pub builder: Builder,
    /// Label of the runner, or a list of labels.
    pub runner: Value,
    /// Whether there is a producer.
    pub produces: bool,
    /// Whether the trial stores anything that must be removed.
    pub stores: bool,
    /// Numbers of the consumers.
    pub consumers: Vec<u32>,
    /// Time limit of a job in minutes.
    pub timeout_minutes: u64,
    /// Retention of marks in days.
    pub retention_days: u32,
    /// Seed of the image's content.
    pub seed: u64,
    /// Trial.
    pub trial: Trial,
}

/// Cells of a plan's trials, in the plan's order.
pub(crate) fn cells(plan: &Plan, only: &[String], runner: &Value, retention_days: u32) -> Result<Vec<CellJob>> {
    if let Some(unknown) = only.iter().find(|id| plan.trials.iter().all(|t| t.id != **id)) {
        return Err(GithubError::Job(format!("no trial of the plan is called `{unknown}`")));
    }
    let chosen: Vec<&Trial> = plan.trials.iter().filter(|t| only.is_empty() || only.contains(&t.id)).collect();
    if chosen.len() > MAX_CELLS {
        return Err(GithubError::Job(format!(
            "GitHub runs at most {MAX_CELLS} jobs from one matrix, and the plan has {} trials: name fewer rounds, sizes or strategies, \
             or start the rest with `only`",
            chosen.len()
        )));
    }
    chosen.into_iter().map(|t| cell(plan, t, runner, retention_days)).collect()
}

fn cell(plan: &Plan, trial: &Trial, runner: &Value, retention_days: u32) -> Result<CellJob> {
    let strategy = github::find(&trial.cell.strategy).map_err(GithubError::job)?;
    let facts = strategy.facts();
    let no_steps = |e| GithubError::Job(format!("{} has no steps on GitHub: {e}", trial.cell.strategy));
    let options = github::express(&*strategy, &trial.cell.conditions, Target::Cell).map_err(no_steps)?;
    Ok(CellJob {
        id: trial.id.clone(),
        strategy: facts.name.to_owned(),
        options,
        name: format!("handoff-{}", trial.nonce),
        image: format!("handoff/trial:{}", trial.nonce),
        builder: trial.cell.conditions.builder,
        runner: runner.clone(),
        produces: facts.has_producer,
        stores: facts.has_producer,
        consumers: (1..=trial.cell.conditions.consumers).collect(),
        timeout_minutes: plan.request.timeout_s.div_ceil(60).max(5) + 5,
        retention_days,
        seed: plan.request.seed,
        trial: trial.clone(),
    })
}

impl CellJob {
    /// Cell in the variable `HANDOFF_CELL`.
    ///
    /// # Errors
    /// The variable is not set or cannot be read.
    pub fn from_env() -> Result<Self> {
        let unset = "HANDOFF_CELL is not set: only jobs of handoff-cell.yml call this command";
        let text = std::env::var("HANDOFF_CELL").map_err(|_| GithubError::job(unset))?;
        serde_json::from_str(&text).map_err(|e| GithubError::Job(format!("HANDOFF_CELL: {e}")))
    }

    /// Specification of the trial's image.
    ///
    /// # Errors
    /// The workload or the size is invalid.
    pub fn image_spec(&self) -> Result<handoff_fixtures::ImageSpec> {
        let workload = handoff_fixtures::load_workload(&self.trial.cell.workload)?;
        let size = self.trial.cell.size.bytes();
        Ok(handoff_fixtures::ImageSpec::new(&workload, size, Some(self.seed), &self.trial.nonce)?)
    }

    /// Whether builds of a role load the image into the engine.
    pub(crate) fn loads(&self, role: Role) -> bool {
        let loads = |recipe: &Recipe| recipe.producer_loads(&self.options);
        role == Role::Consumer || github::find(&self.trial.cell.strategy).is_ok_and(|found| loads(found.recipe()))
    }
}
