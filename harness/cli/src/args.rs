//! The options that say what a run is, shared by `run` and `plan`, and what a plan is checked against here.

use handoff_docker::user;
use handoff_experiment::{Budget, Context, Experiment, RunsOn};
use handoff_model::{ByteSize, Plan, PlanRequest};
use handoff_runner::estimate::Estimator;
use handoff_runner::needs;

use crate::exit::bad_input;
use crate::out;
use crate::random_id::random_id;
use crate::user_image::UserImageArgs;

/// Options that lay out a plan. Each has a default; a resumed run takes the options that are not given from its plan.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PlanArgs {
    #[command(flatten)]
    experiment: Experiment,
    #[command(flatten)]
    user_image: UserImageArgs,
    /// Refuse a plan that takes longer, for example 2h or 90m, and print what to cut
    #[arg(long, value_name = "TIME")]
    budget: Option<Budget>,
}

/// The image of `docker-container` builders: no condition of a plan, but a program, which the environment names.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BuildkitArgs {
    /// Image of docker-container builders [default: the one that `handoff doctor --build-buildkit-image` built, else
    /// moby/buildkit:buildx-stable-1, pulled]
    #[arg(long, value_name = "IMAGE")]
    pub buildkit_image: Option<String>,
}

impl PlanArgs {
    /// Lays out the plan and refuses what strategies cannot do under its conditions. `stored` is the request of a run to resume.
    ///
    /// # Errors
    /// An option or matrix that makes no plan, or a plan above its budget.
    pub fn plan(&self, stored: Option<&PlanRequest>) -> anyhow::Result<Plan> {
        let experiment = &self.experiment;
        // A matrix that is named says everything anew.
        let held = stored.filter(|_| experiment.matrix.is_none());
        let user_image = self.user_image.image(&experiment.factors, held.and_then(|held| held.user_image.as_ref()))?;
        let asks = held.is_none() && experiment.asks_host_store()?;
        let host_store = if asks { Some(user::facts(&user::socket()?)?.store) } else { None };
        let plan =
            lay_out(experiment, stored, &Context { user_image, host_store, ..context(RunsOn::Here, random_id()?) })?;
        if let Some(budget) = &self.budget {
            let mut estimator = Estimator::default();
            let trials = needs::sized_trials(&plan);
            budget.check(&plan, &trials.iter().map(|trial| estimator.seconds(trial)).collect::<Vec<_>>())?;
        }
        Ok(plan)
    }

    /// Prints the options that override the matrix.
    ///
    /// # Errors
    /// A matrix that cannot be read.
    pub fn tell_overrides(&self) -> anyhow::Result<()> {
        for line in self.experiment.overrides()? {
            out::talk(&line);
        }
        Ok(())
    }
}

/// Lays out the plan of a workflow's run from its inputs.
///
/// # Errors
/// An input that makes no plan.
pub fn plan_of_workflow(input: impl Fn(&str) -> Option<String>) -> anyhow::Result<Plan> {
    let experiment = Experiment::from_inputs(&input)?;
    // The random name of an earlier plan makes the same plan again.
    let earlier = input("plan_id").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    let run_id = earlier.map_or_else(random_id, Ok)?;
    lay_out(&experiment, None, &context(RunsOn::GitHub, run_id))
}

/// Whether the matrix of a stored request lays out other trials now.
pub fn has_changed(stored: &PlanRequest) -> bool {
    Experiment::has_changed(stored, &context(RunsOn::Here, String::new()))
}

/// Prints what a plan's rounds can decide, before the first trial.
pub fn tell_declared(plan: &Plan) {
    for line in handoff_experiment::warnings(plan) {
        out::talk(&line);
    }
}

fn lay_out(experiment: &Experiment, stored: Option<&PlanRequest>, context: &Context<'_>) -> anyhow::Result<Plan> {
    let mut plan = Plan::new(experiment.request(stored, context)?).map_err(bad_input)?;
    plan.facts = handoff_strategies::variant_facts(&plan.request.strategies);
    let refusals = needs::refusals(&plan);
    if refusals.is_empty() {
        return Ok(plan);
    }
    Err(bad_input(format!("refused: {}", refusals.join("; "))))
}

/// The strategies and workloads that there are.
fn context(runs_on: RunsOn, run_id: String) -> Context<'static> {
    let strategies = match runs_on {
        RunsOn::Here => &handoff_strategies::check_list as handoff_experiment::CheckStrategies<'static>,
        RunsOn::GitHub => &handoff_strategies::github::check_list,
    };
    Context { runs_on, run_id, host_store: None, user_image: None, strategies, check_image: &check_image }
}

fn check_image(workload: &str, size: Option<ByteSize>) -> Result<(), String> {
    let check = || {
        let workload = handoff_fixtures::load_workload(workload)?;
        size.map(|size| handoff_fixtures::ImageSpec::new(&workload, size.bytes(), None, "check")).transpose().map(drop)
    };
    check().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
