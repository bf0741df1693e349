//! The comparisons that a plan declares, and the rounds that decide them: before anything is measured.
//!
//! The only place that computes a number of rounds from a plan: `--rounds auto` resolves by [`rounds_of_parts`], and a plan is
//! checked by [`families`]. Both count with [`rounds_needed`], by which a report judges its families.

use std::collections::BTreeMap;

use handoff_model::{Cell, Compare, PlanRequest, Purpose, StrategySpec, VariantFacts};
use serde::Serialize;

use crate::analysis::reference_of;
use crate::exact::rounds_needed;
use crate::group::GroupKey;
use crate::variants::Variants;
use crate::verdict::FamilyKind;

/// The error that a family may make, unless the reader of a report chooses another one.
pub const ALPHA: f64 = 0.05;

/// The fewest rounds that decide anything: one comparison alone needs them, and so does an interval of a median or of the
/// control's noise.
pub const FEWEST_ROUNDS: u32 = 6;

/// A family of comparisons that a plan declares for one group of its cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeclaredFamily {
    /// The group.
    #[serde(flatten)]
    pub group: GroupKey,
    /// Kind of the family.
    pub kind: FamilyKind,
    /// Reference of the group; none for all pairs.
    pub reference: Option<StrategySpec>,
    /// Number of comparisons that Holm corrects for.
    pub comparisons: usize,
    /// Number of comparisons that have the rounds for the exact test.
    pub decidable: usize,
    /// The rounds of the comparison that has the fewest.
    pub rounds: u32,
    /// The fewest rounds with which the exact test can decide every comparison.
    pub rounds_needed: u32,
}

/// Number of comparisons of a group of so many strategies.
pub fn family_size(compare: Compare, strategies: usize) -> usize {
    match compare {
        Compare::Reference => strategies.saturating_sub(1),
        Compare::Pairs => strategies * strategies.saturating_sub(1) / 2,
    }
}

/// The fewest rounds with which the exact test can decide every comparison of a group of so many strategies.
pub fn rounds_for(compare: Compare, strategies: usize) -> u32 {
    (rounds_needed(family_size(compare, strategies), ALPHA) as u32).max(FEWEST_ROUNDS)
}

/// The strategies of each group with their rounds, and the control's strategy.
#[derive(Default)]
struct Members {
    rounds: BTreeMap<StrategySpec, u32>,
    control: Option<StrategySpec>,
}

fn groups(request: &PlanRequest) -> BTreeMap<GroupKey, Members> {
    let mut all: BTreeMap<GroupKey, Members> = BTreeMap::new();
    for part in request.parts() {
        for cell in request.groups_of(&part).into_iter().flatten() {
            let members = all.entry(GroupKey::of(&cell)).or_default();
            if cell.control {
                members.control = Some(cell.strategy);
            } else {
                members.rounds.insert(cell.strategy, part.rounds);
            }
        }
    }
    all
}

/// The rounds that `--rounds auto` stands for, one number for each of [`PlanRequest::parts`]: the fewest with which the exact
/// test can decide every comparison of every group that has a cell of that part.
pub fn rounds_of_parts(request: &PlanRequest) -> Vec<u32> {
    let groups = groups(request);
    let strategies = |cell: &Cell| groups.get(&GroupKey::of(cell)).map_or(0, |members| members.rounds.len());
    let needed = |cells: Vec<Cell>| cells.first().map_or(FEWEST_ROUNDS, |c| rounds_for(request.compare, strategies(c)));
    let of_part = |part| request.groups_of(&part).into_iter().map(needed).max().unwrap_or(FEWEST_ROUNDS);
    request.parts().into_iter().map(of_part).collect()
}

/// The families that a plan of these facts declares, by group. A plan that does not decide declares none, and a group of one
/// strategy has none.
pub fn families(request: &PlanRequest, facts: &[VariantFacts]) -> Vec<DeclaredFamily> {
    if request.purpose != Purpose::Decision {
        return Vec::new();
    }
    let variants = Variants::of([facts]);
    let one = |(group, members): (_, Members)| family(request.compare, group, &members, &variants);
    groups(request).into_iter().filter_map(one).collect()
}

fn family(compare: Compare, group: GroupKey, members: &Members, variants: &Variants) -> Option<DeclaredFamily> {
    let strategies: Vec<&StrategySpec> = members.rounds.keys().collect();
    let reference = reference_of(&strategies, members.control.as_ref(), None, variants)?;
    let rounds = |strategy: &StrategySpec| members.rounds.get(strategy).copied().unwrap_or(0);
    // A comparison has the rounds that both of its strategies have.
    let pairs: Vec<u32> = match compare {
        Compare::Reference => {
            let others = strategies.iter().filter(|s| ***s != reference);
            others.map(|s| rounds(s).min(rounds(&reference))).collect()
        }
        Compare::Pairs => {
            let after = |i: usize| strategies.iter().skip(i + 1);
            let of = |(i, a): (usize, &&StrategySpec)| after(i).map(|b| rounds(a).min(rounds(b))).collect::<Vec<_>>();
            strategies.iter().enumerate().flat_map(of).collect()
        }
    };
    let needed = rounds_for(compare, strategies.len());
    Some(DeclaredFamily {
        rounds: pairs.iter().copied().min()?,
        comparisons: pairs.len(),
        decidable: pairs.iter().filter(|n| **n >= needed).count(),
        rounds_needed: needed,
        kind: match compare {
            Compare::Reference => FamilyKind::Reference,
            Compare::Pairs => FamilyKind::AllPairs,
        },
        reference: (compare == Compare::Reference).then_some(reference),
        group,
    })
}

#[cfg(test)]
mod tests;
