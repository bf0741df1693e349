//! Context of an experiment: facts that its caller has.

use handoff_model::{ByteSize, ImageStore, StrategyError, StrategySpec, UserImage};

/// Place of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunsOn {
    /// This machine, with services on loopback.
    #[default]
    Here,
    /// GitHub's runners, with GitHub's services.
    GitHub,
}

/// Checks strategies with their options: expands `all`, leaves out options at their defaults, refuses duplicates.
pub type CheckStrategies<'a> = &'a dyn Fn(Vec<StrategySpec>) -> Result<Vec<StrategySpec>, StrategyError>;

/// Checks a workload, and that its image can have a size if one is given.
pub type CheckImage<'a> = &'a dyn Fn(&str, Option<ByteSize>) -> Result<(), String>;

/// Facts of the caller that an experiment is checked against.
#[derive(Clone)]
pub struct Context<'a> {
    /// Place of the run.
    pub runs_on: RunsOn,
    /// Random name of a new run.
    pub run_id: String,
    /// Image store of the user's daemon, where [`crate::Experiment::asks_host_store`] needs it.
    pub host_store: Option<ImageStore>,
    /// The user's own image, in place of synthetic workloads.
    pub user_image: Option<UserImage>,
    /// Checks strategies.
    pub strategies: CheckStrategies<'a>,
    /// Checks workloads and sizes.
    pub check_image: CheckImage<'a>,
}
