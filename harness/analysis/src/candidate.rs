//! Question of a team, and a candidate for its answer.

use handoff_model::trigger::Start;
use handoff_model::{ByteSize, StrategySpec};
use serde::Serialize;

use crate::decisions::{Cost, Parts};
use crate::fan_out::CurveBasis;
use crate::judgement::WorkflowSize;
use crate::words::worded;

worded!(
    /// Time to minimise.
    #[derive(Serialize)]
    Goal {
        /// Time of all jobs together, which is billed and keeps runners busy.
        Runner = "time of all jobs",
        /// Time that a push waits.
        Wait = "waiting time",
    }
);

/// A team's question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TeamQuestion {
    /// Jobs that need the image.
    pub consumers: u32,
    /// Pushes a day.
    pub pushes_per_day: u32,
    /// Size of the image.
    pub image_size: ByteSize,
    /// Duration of the team's build; none: as long as the measured one.
    pub build_s: Option<f64>,
    /// Time to minimise.
    pub goal: Goal,
    /// The plan whose artifact storage must not be exceeded; none: no such limit.
    pub plan: Option<String>,
    /// Whether building again in every job is left out.
    pub sharing: bool,
    /// How the workflow starts, which can deny the cache.
    #[serde(flatten)]
    pub start: Start,
    /// Duration of one job's checks on a runner of its own, in seconds; none: unknown.
    pub check_s: Option<f64>,
    /// Share of a runner's processor that one job's checks keep busy, above 0 and up to 1.
    pub check_load: f64,
}

/// Strategy as a candidate for the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The strategy.
    pub strategy: StrategySpec,
    /// Time that a push waits, in seconds.
    pub wait_s: f64,
    /// Time of all jobs, in seconds.
    pub runner_s: f64,
    /// Measured only where the group has this number of consumers, this size and the measured build.
    pub basis: CurveBasis,
    /// Costs of a month.
    pub cost: Cost,
    /// Size of its workflow; none where this variant has no workflow.
    pub workflow: Option<WorkflowSize>,
    /// Reason why it is excluded, if it is.
    pub excluded: Option<String>,
    /// Parts at the size and with the build asked for.
    #[serde(skip)]
    pub(crate) parts: Parts,
    /// Parts at the size asked for, with the build that was measured.
    #[serde(skip)]
    pub(crate) scaled_parts: Parts,
    /// Size asked for over the size that was measured.
    #[serde(skip)]
    pub(crate) scale: f64,
}

impl Candidate {
    /// Time to minimise, in seconds.
    pub fn value(&self, goal: Goal) -> f64 {
        match goal {
            Goal::Runner => self.runner_s,
            Goal::Wait => self.wait_s,
        }
    }
}
