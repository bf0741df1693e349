//! The plan: every trial of a run, in the order in which it will run. Pure: same request, same plan.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::conditions::Conditions;
use crate::size::ByteSize;
use crate::strategy::StrategySpec;

/// Version of `plan.json` and of the CSV files.
pub const SCHEMA_VERSION: u32 = 1;

/// What a run was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

/// What is compared: a strategy on an image under conditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The strategy.
    pub strategy: StrategySpec,
    /// The workload's name.
    pub workload: String,
    /// Size asked for.
    pub size: ByteSize,
    /// The conditions.
    pub conditions: Conditions,
    /// A second run of the reference, for the noise floor.
    pub control: bool,
}

/// One hand-over of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Name, unique in the run; also the name of its log folder.
    pub id: String,
    /// Round, from 1.
    pub round: u32,
    /// Place in the whole order, from 1.
    pub position: u32,
    /// What is measured.
    pub cell: Cell,
    /// Makes the trial's layers unknown to every cache.
    pub nonce: String,
}

/// A run's trials in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Digest over request and trials.
    pub hash: String,
    /// What was asked.
    pub request: PlanRequest,
    /// The trials in the order in which they run.
    pub trials: Vec<Trial>,
}

/// A request that makes no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl Plan {
    /// Lays out the trials: a round holds every cell once, in an order shuffled from the seed.
    pub fn new(request: PlanRequest) -> Result<Self, PlanError> {
        for (what, empty) in [
            ("size", request.sizes.is_empty()),
            ("strategy", request.strategies.is_empty()),
            ("workload", request.workloads.is_empty()),
            ("condition", request.conditions.is_empty()),
        ] {
            if empty {
                return Err(PlanError(format!("the plan names no {what}: name at least one")));
            }
        }
        if request.rounds == 0 {
            return Err(PlanError("--rounds 0 measures nothing: use 1 or more".to_owned()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(request.seed);
        let mut trials = Vec::new();
        for round in 1..=request.rounds {
            // Cells that are compared with each other stay together in time: the blocks are shuffled, then each block.
            let mut blocks = Self::blocks(&request);
            shuffle(&mut blocks, &mut rng);
            for mut block in blocks {
                shuffle(&mut block, &mut rng);
                for cell in block {
                    let position = trials.len() as u32 + 1;
                    let control = if cell.control { "-control" } else { "" };
                    let variant: String = cell.strategy.variant().chars().map(slug_char).collect();
                    let variant = if variant.is_empty() { variant } else { format!("-{variant}") };
                    let id = format!("{position:04}-{}{variant}{control}-{}-r{round}", cell.strategy.name, cell.size);
                    let nonce = nonce(&request, &id);
                    trials.push(Trial { id, round, position, cell, nonce });
                }
            }
        }
        let hash = digest(&(&request, &trials));
        Ok(Self { schema_version: SCHEMA_VERSION, hash, request, trials })
    }

    fn blocks(request: &PlanRequest) -> Vec<Vec<Cell>> {
        let mut blocks = Vec::new();
        for conditions in &request.conditions {
            for workload in &request.workloads {
                for size in &request.sizes {
                    let cell = |strategy: &StrategySpec, control| Cell {
                        strategy: strategy.clone(),
                        workload: workload.clone(),
                        size: *size,
                        conditions: conditions.clone(),
                        control,
                    };
                    let mut block: Vec<Cell> = request.strategies.iter().map(|s| cell(s, false)).collect();
                    if request.control {
                        block.push(cell(&request.strategies[0], true));
                    }
                    blocks.push(block);
                }
            }
        }
        blocks
    }

    /// Whether the stored hash is that of the stored content.
    pub fn is_intact(&self) -> bool {
        self.hash == digest(&(&self.request, &self.trials))
    }
}

fn slug_char(c: char) -> char {
    if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }
}

/// Fisher-Yates with a generator whose stream is the same on every machine.
fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        // The bias of a remainder is below 2^-50 for lists of this length.
        let j = (rng.next_u64() % (i as u64 + 1)) as usize;
        items.swap(i, j);
    }
}

fn nonce(request: &PlanRequest, trial: &str) -> String {
    digest(&(&request.run_id, request.seed, trial))[..16].to_owned()
}

fn digest<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(json).iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn request(strategies: usize, sizes: usize, rounds: u32, seed: u64, control: bool) -> PlanRequest {
        PlanRequest {
            sizes: (1..=sizes as u64).map(|n| ByteSize(n << 26)).collect(),
            strategies: (0..strategies).map(|n| StrategySpec::plain(&format!("s{n}"))).collect(),
            workloads: vec!["typical".into()],
            rounds,
            conditions: vec![Conditions::default()],
            control,
            timeout_s: 60,
            seed,
            run_id: "r".into(),
        }
    }

    #[test]
    fn another_seed_is_another_order_and_another_run_has_other_nonces() {
        let a = Plan::new(request(6, 1, 3, 1, false)).unwrap();
        let b = Plan::new(request(6, 1, 3, 2, false)).unwrap();
        let order = |p: &Plan| p.trials.iter().map(|t| t.cell.strategy.name.clone()).collect::<Vec<_>>();
        assert_ne!(order(&a), order(&b));
        let c = Plan::new(PlanRequest { run_id: "q".into(), ..request(6, 1, 3, 1, false) }).unwrap();
        assert_eq!(order(&a), order(&c));
        assert_ne!(a.trials[0].nonce, c.trials[0].nonce);
        assert_ne!(a.hash, c.hash);
    }

    #[test]
    fn an_empty_request_is_refused_by_name() {
        assert!(Plan::new(request(0, 1, 1, 1, false)).unwrap_err().to_string().contains("strategy"));
        assert!(Plan::new(request(1, 1, 0, 1, false)).unwrap_err().to_string().contains("--rounds"));
    }

    proptest! {
        #[test]
        fn every_round_holds_every_cell_once(s in 1usize..7, z in 1usize..4, rounds in 1u32..5, seed: u64, control: bool) {
            let plan = Plan::new(request(s, z, rounds, seed, control)).unwrap();
            let per_round = (s + usize::from(control)) * z;
            prop_assert_eq!(plan.trials.len(), per_round * rounds as usize);
            for round in 1..=rounds {
                let cells: BTreeSet<_> = plan.trials.iter().filter(|t| t.round == round).map(|t| t.cell.clone()).collect();
                prop_assert_eq!(cells.len(), per_round);
            }
            let ids: BTreeSet<_> = plan.trials.iter().map(|t| &t.id).collect();
            let nonces: BTreeSet<_> = plan.trials.iter().map(|t| &t.nonce).collect();
            prop_assert_eq!(ids.len(), plan.trials.len());
            prop_assert_eq!(nonces.len(), plan.trials.len());
            prop_assert!(plan.is_intact());
            prop_assert_eq!(&plan, &Plan::new(plan.request.clone()).unwrap());
            let json = serde_json::to_string(&plan).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Plan>(&json).unwrap(), &plan);
        }
    }
}
