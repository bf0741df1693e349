//! The plan: every trial of a run, in the order in which it will run. Pure: same request, same plan.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::block::{Block, Exclusion, join};
use crate::cell::Cell;
use crate::conditions::Conditions;
use crate::purpose::{Compare, Purpose};
use crate::size::ByteSize;
use crate::strategy::{StrategySpec, VariantFacts};
use crate::user_image::UserImage;

mod layout;

pub use layout::PlanError;

/// Major version of `plan.json` and of the CSV files: a reader of another one would misunderstand them.
pub const SCHEMA_VERSION: u32 = 1;
/// Minor version of `plan.json`: it grows with every field that is added, which an older reader may leave out. Plans without one
/// are of minor version 0.
pub const SCHEMA_MINOR: u32 = 4;

/// Request for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// Sizes of the image.
    pub sizes: Vec<ByteSize>,
    /// Strategies with their options.
    pub strategies: Vec<StrategySpec>,
    /// Names of workloads.
    pub workloads: Vec<String>,
    /// Rounds: how often each cell runs.
    pub rounds: u32,
    /// Conditions.
    pub conditions: Vec<Conditions>,
    /// Run the first strategy twice a round, to see the noise floor.
    pub control: bool,
    /// Time limit of one side, in seconds.
    pub timeout_s: u64,
    /// Seed of the order and of the image's content.
    pub seed: u64,
    /// Random name of the run: makes nonces, so that no cache ever knows a layer of another run.
    pub run_id: String,
    /// Blocks whose factors cross, where not all factors do. The lists above are then the union of all blocks, `rounds` the
    /// most of them, and no trial is made from those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// Cells that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Exclusion>,
    /// The matrix that it was made from, with the options that were laid over it, as they would be typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// The user's own image, in place of workloads and sizes: these then name it, and [`ByteSize::USER`].
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "own")]
    pub user_image: Option<UserImage>,
    /// The comparisons that the rounds must be able to decide.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compare: Compare,
    /// Purpose of the run: only a decision declares comparisons.
    #[serde(default, skip_serializing_if = "is_default")]
    pub purpose: Purpose,
}

impl PlanRequest {
    /// A request for strategies under the defaults of everything else: 1 GiB of the typical workload, 3 rounds, and no name yet.
    pub fn of(strategies: Vec<StrategySpec>) -> Self {
        Self {
            sizes: vec![ByteSize(ByteSize::GIB)],
            strategies,
            workloads: vec!["typical".to_owned()],
            rounds: 3,
            conditions: vec![Conditions::default()],
            control: false,
            timeout_s: 1_800,
            seed: 1,
            run_id: String::new(),
            blocks: Vec::new(),
            exclude: Vec::new(),
            matrix: None,
            user_image: None,
            compare: Compare::default(),
            purpose: Purpose::default(),
        }
    }

    /// The parts whose factors cross: the blocks, or the request itself.
    pub fn parts(&self) -> Vec<Block> {
        if !self.blocks.is_empty() {
            return self.blocks.clone();
        }
        vec![Block {
            sizes: self.sizes.clone(),
            strategies: self.strategies.clone(),
            workloads: self.workloads.clone(),
            rounds: self.rounds,
            conditions: self.conditions.clone(),
        }]
    }

    /// Takes the parts of `more` into this request.
    pub fn merge(&mut self, more: &Self) {
        if self.blocks.is_empty() {
            self.blocks = self.parts();
        }
        self.blocks.extend(more.parts());
        join(&mut self.sizes, &more.sizes);
        join(&mut self.strategies, &more.strategies);
        join(&mut self.workloads, &more.workloads);
        join(&mut self.conditions, &more.conditions);
        self.rounds = self.rounds.max(more.rounds);
    }

    /// The cells of one part, in groups of the same image and conditions; those that the rules leave out are not there.
    pub fn groups_of(&self, part: &Block) -> Vec<Vec<Cell>> {
        let mut groups = Vec::new();
        for conditions in &part.conditions {
            for workload in &part.workloads {
                for size in &part.sizes {
                    let cell = |strategy: &StrategySpec, control| Cell {
                        strategy: strategy.clone(),
                        workload: workload.clone(),
                        size: *size,
                        conditions: conditions.clone(),
                        control,
                    };
                    let mut group: Vec<Cell> = part.strategies.iter().map(|s| cell(s, false)).collect();
                    group.extend(part.strategies.first().filter(|_| self.control).map(|first| cell(first, true)));
                    group.retain(|cell| !self.exclude.iter().any(|rule| rule.leaves_out(cell)));
                    if !group.is_empty() {
                        groups.push(group);
                    }
                }
            }
        }
        groups
    }
}

/// One hand-over of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Name, unique in the run; also the name of its log folder.
    pub id: String,
    /// Round, from 1.
    pub round: u32,
    /// Place in the whole order, from 1.
    pub position: u32,
    /// Measured cell.
    pub cell: Cell,
    /// Makes the trial's layers unknown to every cache.
    pub nonce: String,
}

/// A run's trials in order. A stored plan is read by `harness/records`, which refuses typos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// [`SCHEMA_MINOR`] of the writer.
    #[serde(default)]
    pub schema_minor: u32,
    /// Digest over request and trials.
    pub hash: String,
    /// Request that was laid out.
    pub request: PlanRequest,
    /// Facts of each variant for readers of the rows, in the order of the comparison table. The caller that lays the plan out adds
    /// it. Empty in plans of minor versions 0 and 1. The hash is not over it: a colour decides nothing that a run does, and a plan
    /// that is laid out again by a version with other facts is still the same plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<VariantFacts>,
    /// The trials in the order in which they run.
    pub trials: Vec<Trial>,
}

impl Plan {
    /// Whether the stored hash is that of the stored content.
    pub fn is_intact(&self) -> bool {
        digest(&(&self.request, &self.trials)).is_ok_and(|digest| digest == self.hash)
    }
}

/// Digest of a value's JSON. A value that has none is an error: all such values would share one digest.
///
/// # Errors
/// A value that has no JSON.
pub fn digest<T: Serialize>(value: &T) -> serde_json::Result<String> {
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(value)?)))
}

/// Whether a value is the default, which a plan does not write.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
