//! The plan: every trial of a run, in the order in which it will run. Pure: same request, same plan.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::block::{Block, Exclusion, join};
use crate::cell::Cell;
use crate::conditions::Conditions;
use crate::own::OwnImage;
use crate::purpose::{Compare, Purpose};
use crate::size::ByteSize;
use crate::strategy::{StrategySpec, VariantFacts};

mod read;

pub use read::{PlanReadError, ReadPlan, read};

/// Major version of `plan.json` and of the CSV files: a reader of another one would misunderstand them.
pub const SCHEMA_VERSION: u32 = 1;
/// Minor version of `plan.json`: it grows with every field that is added, which an older reader may leave out. Plans without one
/// are of minor version 0.
pub const SCHEMA_MINOR: u32 = 2;

/// What a run was asked to do.
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
    /// Where not all factors cross: the parts that do. The lists above then hold what all parts hold together, `rounds` the
    /// most of them, and no trial is made from those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// Cells that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Exclusion>,
    /// The matrix that it was made from, with the options that were laid over it, as they would be typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// The user's own image, in place of workloads and sizes: these then name it, and [`ByteSize::OWN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnImage>,
    /// The comparisons that the rounds must be able to decide.
    #[serde(default, skip_serializing_if = "Compare::is_default")]
    pub compare: Compare,
    /// What the run is for: a run that does not decide declares no comparison.
    #[serde(default, skip_serializing_if = "Purpose::is_default")]
    pub purpose: Purpose,
}

impl PlanRequest {
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
    pub fn absorb(&mut self, more: &Self) {
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
    /// What is measured.
    pub cell: Cell,
    /// Makes the trial's layers unknown to every cache.
    pub nonce: String,
}

/// A run's trials in order. A stored plan is read by [`read()`], which refuses typos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// [`SCHEMA_MINOR`] of the writer.
    #[serde(default)]
    pub schema_minor: u32,
    /// Digest over request and trials.
    pub hash: String,
    /// What was asked.
    pub request: PlanRequest,
    /// What a reader of the rows has to know of each variant, in the order of the comparison table: whoever lays the plan out adds
    /// it. Empty in plans of minor versions 0 and 1. The hash is not over it: a colour decides nothing that a run does, and a plan
    /// that is laid out again by a version with other facts is still the same plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<VariantFacts>,
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
        for part in request.parts() {
            for (what, empty) in [
                ("size", part.sizes.is_empty()),
                ("strategy", part.strategies.is_empty()),
                ("workload", part.workloads.is_empty()),
                ("condition", part.conditions.is_empty()),
            ] {
                if empty {
                    return Err(PlanError(format!("the plan names no {what}: name at least one")));
                }
            }
            if part.rounds == 0 {
                return Err(PlanError("--rounds 0 measures nothing: use 1 or more".to_owned()));
            }
        }
        Self::check_cells(&request)?;
        let mut rng = ChaCha8Rng::seed_from_u64(request.seed);
        let mut trials = Vec::new();
        for round in 1..=request.rounds {
            // Cells that are compared with each other stay together in time: the groups are shuffled, then each group. A
            // round holds every cell that has so many, so that a run that is cut off has measured all of them alike.
            let mut groups = Self::groups(&request, round);
            shuffle(&mut groups, &mut rng);
            for mut group in groups {
                shuffle(&mut group, &mut rng);
                for cell in group {
                    let position = trials.len() as u32 + 1;
                    let control = if cell.control { "-control" } else { "" };
                    let variant: String = cell.strategy.variant().chars().map(slug_char).collect();
                    let variant = if variant.is_empty() { variant } else { format!("-{variant}") };
                    let id = format!("{position:04}-{}{variant}{control}-{}-r{round}", cell.strategy.name, cell.size);
                    let nonce = nonce(&request, &id)?;
                    trials.push(Trial { id, round, position, cell, nonce });
                }
            }
        }
        let hash = digest(&(&request, &trials))?;
        let (schema_version, schema_minor) = (SCHEMA_VERSION, SCHEMA_MINOR);
        Ok(Self { schema_version, schema_minor, hash, request, facts: Vec::new(), trials })
    }

    /// Refuses a plan in which a cell stands twice, or none is left.
    fn check_cells(request: &PlanRequest) -> Result<(), PlanError> {
        let mut seen = BTreeSet::new();
        for cell in Self::groups(request, 1).into_iter().flatten() {
            if seen.contains(&cell) {
                let Cell { strategy, workload, size, conditions, .. } = &cell;
                let profile = &conditions.profile;
                return Err(PlanError(format!(
                    "{strategy} at {size} of {workload} under {profile} stands in two blocks: name it in one, or exclude it"
                )));
            }
            seen.insert(cell);
        }
        if seen.is_empty() {
            return Err(PlanError("the rules leave every cell out: nothing is left to measure".to_owned()));
        }
        Ok(())
    }

    /// The cells of a round in groups of the same image and conditions.
    fn groups(request: &PlanRequest, round: u32) -> Vec<Vec<Cell>> {
        let parts = request.parts().into_iter().filter(|part| part.rounds >= round);
        parts.flat_map(|part| request.groups_of(&part)).collect()
    }

    /// Whether the stored hash is that of the stored content.
    pub fn is_intact(&self) -> bool {
        digest(&(&self.request, &self.trials)).is_ok_and(|digest| digest == self.hash)
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

fn nonce(request: &PlanRequest, trial: &str) -> Result<String, PlanError> {
    Ok(digest(&(&request.run_id, request.seed, trial))?[..16].to_owned())
}

/// Digest of a value's JSON. A value that has none is an error: all such values would share one digest.
fn digest<T: Serialize>(value: &T) -> Result<String, PlanError> {
    let json = serde_json::to_vec(value).map_err(|e| PlanError(format!("the plan cannot be written as JSON: {e}")))?;
    Ok(Sha256::digest(json).iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            blocks: Vec::new(),
            exclude: Vec::new(),
            matrix: None,
            own: None,
            compare: Compare::default(),
            purpose: Purpose::default(),
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

    #[test]
    fn blocks_run_round_by_round_with_rounds_of_their_own() {
        let mut all = request(3, 1, 4, 1, false);
        let few = PlanRequest { sizes: vec![ByteSize(1 << 30)], rounds: 2, ..request(2, 1, 1, 1, false) };
        all.absorb(&few);
        assert_eq!((all.blocks.len(), all.sizes.len(), all.strategies.len(), all.rounds), (2, 2, 3, 4));
        let plan = Plan::new(all.clone()).unwrap();
        let rounds: Vec<u32> = plan.trials.iter().map(|t| t.round).collect();
        assert_eq!(rounds, [vec![1; 5], vec![2; 5], vec![3; 3], vec![4; 3]].concat());
        let stored: PlanRequest = serde_json::from_str(&serde_json::to_string(&all).unwrap()).unwrap();
        assert_eq!(Plan::new(stored).unwrap(), plan);
        all.absorb(&few);
        assert!(Plan::new(all).unwrap_err().to_string().contains("stands in two blocks"));
    }

    #[test]
    fn rules_leave_cells_out_and_may_not_leave_out_all() {
        let rule = |name: &str| Exclusion { strategy: vec![StrategySpec::plain(name)], ..Exclusion::default() };
        let asked = PlanRequest { exclude: vec![rule("s1")], ..request(3, 2, 1, 1, true) };
        let plan = Plan::new(asked).unwrap();
        assert_eq!(plan.trials.len(), 6);
        assert!(plan.trials.iter().all(|t| t.cell.strategy.name != "s1"));
        let none = PlanRequest { exclude: vec![rule("s0")], ..request(1, 2, 1, 1, true) };
        assert!(Plan::new(none).unwrap_err().to_string().contains("nothing is left"));
    }

    #[test]
    fn a_request_without_blocks_is_written_as_ever() {
        let json = serde_json::to_string(&request(1, 1, 1, 1, false)).unwrap();
        for absent in ["blocks", "exclude", "compare", "purpose"] {
            assert!(!json.contains(absent), "{json}");
        }
        let screening = PlanRequest { purpose: Purpose::Screening, ..request(1, 1, 1, 1, false) };
        let json = serde_json::to_string(&screening).unwrap();
        assert!(json.contains(r#""purpose":"screening""#), "{json}");
        assert_eq!(serde_json::from_str::<PlanRequest>(&json).unwrap(), screening);
    }

    proptest! {
        #[test]
        fn any_blocks_are_balanced_when_a_run_is_cut_off(
            parts in prop::collection::vec((1usize..4, 1u32..6), 1..4), seed: u64, left_out in 0usize..4
        ) {
            let part = |at: usize, (strategies, rounds): (usize, u32)| PlanRequest {
                sizes: vec![ByteSize((at as u64 + 1) << 26)],
                ..request(strategies, 1, rounds, seed, false)
            };
            let mut asked = part(0, parts[0]);
            for (at, shape) in parts.iter().enumerate().skip(1) {
                asked.absorb(&part(at, *shape));
            }
            asked.exclude = vec![Exclusion { strategy: vec![StrategySpec::plain(&format!("s{left_out}"))], ..Exclusion::default() }];
            let Ok(plan) = Plan::new(asked) else { return Ok(()) };
            // Rounds never go back, and a cell's own rounds are 1, 2, 3 and so on.
            prop_assert!(plan.trials.windows(2).all(|two| two[0].round <= two[1].round));
            let mut seen: std::collections::BTreeMap<Cell, u32> = std::collections::BTreeMap::new();
            for trial in &plan.trials {
                let rounds = seen.entry(trial.cell.clone()).or_default();
                *rounds += 1;
                prop_assert_eq!(trial.round, *rounds);
            }
            for (cell, rounds) in seen {
                let (_, asked) = parts[(cell.size.bytes() >> 26) as usize - 1];
                prop_assert_eq!(rounds, asked);
                prop_assert_ne!(cell.strategy.name, format!("s{left_out}"));
            }
        }

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
