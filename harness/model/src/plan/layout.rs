//! The order of a plan's trials, their names and nonces. It belongs to the format of `plan.json`: a run that goes on lays its
//! request out again and must get the same plan.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::{Plan, PlanRequest, SCHEMA_MINOR, SCHEMA_VERSION, Trial, digest};
use crate::cell::Cell;

/// A request that makes no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl From<serde_json::Error> for PlanError {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("the plan cannot be written as JSON: {error}"))
    }
}

impl Plan {
    /// Lays out the trials: a round holds every cell once, in an order shuffled from the seed.
    ///
    /// # Errors
    /// An empty factor, no round, a cell in two blocks, or rules that leave no cell.
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

    /// Refuses a plan with a cell in two blocks, or without cells.
    fn check_cells(request: &PlanRequest) -> Result<(), PlanError> {
        let mut seen = BTreeSet::new();
        for cell in Self::groups(request, 1).into_iter().flatten() {
            if seen.contains(&cell) {
                let Cell { strategy, workload, size, conditions, .. } = &cell;
                let profile = &conditions.profile;
                return Err(PlanError(format!(
                    "{strategy} at {size} of {workload} under {profile} is in two blocks: name it in one block, or exclude it"
                )));
            }
            seen.insert(cell);
        }
        if seen.is_empty() {
            let what = "the rules of `[[exclude]]` exclude every cell, so nothing is left to measure: remove a rule";
            return Err(PlanError(what.to_owned()));
        }
        Ok(())
    }

    /// The cells of a round in groups of the same image and conditions.
    fn groups(request: &PlanRequest, round: u32) -> Vec<Vec<Cell>> {
        let parts = request.parts().into_iter().filter(|part| part.rounds >= round);
        parts.flat_map(|part| request.groups_of(&part)).collect()
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
