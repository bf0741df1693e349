//! A trial as an entry of the workflow's matrix: everything that its jobs need to know.

use std::collections::BTreeMap;

use handoff_model::{Builder, Plan, Recipe, Role, Trial};
use handoff_strategies::github::{self, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{GithubError, Result};

/// GitHub runs no more jobs than this from one matrix.
const MOST_CELLS: usize = 256;

/// What the jobs of a trial are told, as one JSON value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CellJob {
    /// The trial's name.
    pub id: String,
    /// The strategy's name.
    pub strategy: String,
    /// The value of every option, and the texts that steps derive from them.
    pub options: BTreeMap<String, String>,
    /// Keys, scopes and artifact names.
    pub name: String,
    /// The image's reference.
    pub image: String,
    /// What runs `BuildKit`.
    pub builder: Builder,
    /// Label of the runner, or a list of labels.
    pub runner: Value,
    /// Whether there is a producer.
    pub produces: bool,
    /// Whether something is stored that must be removed.
    pub stores: bool,
    /// The consumers' numbers.
    pub consumers: Vec<u32>,
    /// Limit of a job.
    pub timeout_minutes: u64,
    /// Days for which marks are kept.
    pub retention_days: u32,
    /// Seed of the image's content.
    pub seed: u64,
    /// The trial.
    pub trial: Trial,
}

/// The cells of a plan's trials, in the plan's order.
pub(crate) fn cells(plan: &Plan, only: &[String], runner: &Value, retention_days: u32) -> Result<Vec<CellJob>> {
    if let Some(unknown) = only.iter().find(|id| plan.trials.iter().all(|t| t.id != **id)) {
        return Err(GithubError::Job(format!("no trial of the plan is called `{unknown}`")));
    }
    let chosen: Vec<&Trial> = plan.trials.iter().filter(|t| only.is_empty() || only.contains(&t.id)).collect();
    if chosen.len() > MOST_CELLS {
        let error = format!("{} trials are more than the {MOST_CELLS} that GitHub runs from one matrix", chosen.len());
        return Err(GithubError::Job(format!(
            "{error}: name fewer rounds, sizes or strategies, or start the rest with `only`"
        )));
    }
    chosen.into_iter().map(|t| cell(plan, t, runner, retention_days)).collect()
}

fn cell(plan: &Plan, trial: &Trial, runner: &Value, retention_days: u32) -> Result<CellJob> {
    let on = github::find(&trial.cell.strategy).map_err(GithubError::job)?;
    let facts = on.facts();
    let no_steps = |e| GithubError::Job(format!("{} has no steps on GitHub: {e}", trial.cell.strategy));
    let options = github::express(&*on, &trial.cell.conditions, Target::Cell).map_err(no_steps)?;
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
    /// The cell that the environment's `HANDOFF_CELL` names.
    pub fn from_env() -> Result<Self> {
        let unset = "HANDOFF_CELL is not set: this verb is called by the jobs of handoff-cell.yml";
        let text = std::env::var("HANDOFF_CELL").map_err(|_| GithubError::job(unset))?;
        serde_json::from_str(&text).map_err(|e| GithubError::Job(format!("HANDOFF_CELL: {e}")))
    }

    /// The image that the trial is about.
    pub fn image_spec(&self) -> Result<handoff_fixtures::ImageSpec> {
        let workload = handoff_fixtures::load_workload(&self.trial.cell.workload)?;
        let size = self.trial.cell.size.bytes();
        Ok(handoff_fixtures::ImageSpec::new(&workload, size, Some(self.seed), &self.trial.nonce)?)
    }

    /// Whether a build of that side puts its result into the engine.
    pub(crate) fn loads(&self, role: Role) -> bool {
        let loads = |recipe: &Recipe| recipe.producer_loads(&self.options);
        role == Role::Consumer || github::find(&self.trial.cell.strategy).is_ok_and(|on| loads(on.recipe()))
    }
}
