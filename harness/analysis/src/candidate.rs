//! The question of a team, and a strategy in its light.

use handoff_model::{ByteSize, StrategySpec};
use serde::Serialize;

use crate::decisions::{Cost, Parts};
use crate::fan_out::CurveBasis;
use crate::judgement::WorkflowSize;

/// What is to be small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The time of all jobs together: what a bill is made of, and what other jobs wait for.
    Runner,
    /// What a push waits for.
    Wait,
}

/// A team's question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TeamQuestion {
    /// Jobs that need the image.
    pub consumers: u32,
    /// Pushes a day.
    pub pushes_per_day: u32,
    /// Size of the image.
    pub image_size: ByteSize,
    /// How long the team's build takes; none: as long as the one that was measured.
    pub build_s: Option<f64>,
    /// What is to be small.
    pub goal: Goal,
    /// The plan whose artifact storage must not be exceeded; none: no such limit.
    pub plan: Option<String>,
    /// Whether building again in every job is left out.
    pub sharing: bool,
}

impl Goal {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Runner => "time of all jobs",
            Self::Wait => "waiting time",
        }
    }
}

/// One strategy in the light of the question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The strategy.
    pub strategy: StrategySpec,
    /// What a push waits for, in seconds.
    pub wait_s: f64,
    /// Time of all jobs, in seconds.
    pub runner_s: f64,
    /// Measured only where the group has this number of consumers, this size and the measured build.
    pub basis: CurveBasis,
    /// What a month costs.
    pub cost: Cost,
    /// What its workflow takes to set up; none where there is no workflow of this very variant.
    pub workflow: Option<WorkflowSize>,
    /// Why it is out, if so.
    pub excluded: Option<String>,
    /// Its parts at the size and with the build asked for.
    #[serde(skip)]
    pub(crate) parts: Parts,
    /// Its parts at the size asked for, with the build that was measured.
    #[serde(skip)]
    pub(crate) scaled_parts: Parts,
    /// Size asked for over the size that was measured.
    #[serde(skip)]
    pub(crate) scale: f64,
}

impl Candidate {
    /// What is to be small, in seconds.
    pub fn value(&self, goal: Goal) -> f64 {
        match goal {
            Goal::Runner => self.runner_s,
            Goal::Wait => self.wait_s,
        }
    }
}
