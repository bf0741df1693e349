//! The whole analysis.

use std::collections::BTreeMap;

use handoff_model::StrategySpec;
use serde::Serialize;

use crate::decisions::{BreakEven, StorageUse, break_even, storage};
use crate::drift::drifts;
use crate::fan_out::FanOutCurve;
use crate::group::{Group, GroupKey, Pooled};
use crate::input::{InputError, RunRows, refuse_duplicates};
use crate::metric::Metric;
use crate::options::Options;
use crate::pooled::pooled;
use crate::ranking::rank;
use crate::summary::{CellSummary, summaries_of};
use crate::variants::Variants;
use crate::{compare, fan_out, noise, spans};

/// Everything that follows from the rows of some runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// The runs, in the order given.
    pub runs: Vec<String>,
    /// Options that were chosen beforehand.
    pub options: Options,
    /// Facts of the variants from the runs' plans, in the order of the comparison table.
    pub variants: Variants,
    /// Cells that may be compared, group by group.
    pub groups: Vec<Group>,
    /// Strategies against the reference over all sizes; only where a workload and conditions have several.
    pub pooled: Vec<Pooled>,
    /// Break-even of each cell with a producer, in groups that have the baseline.
    pub break_even: Vec<BreakEven>,
    /// Times of strategies as more jobs share the image.
    pub fan_out: Vec<FanOutCurve>,
    /// Storage that strategies use in the services.
    pub storage: Vec<StorageUse>,
}

impl Analysis {
    /// Every cell's summary.
    pub fn cells(&self) -> impl Iterator<Item = &CellSummary> {
        self.groups.iter().flat_map(|g| &g.cells)
    }
}

/// Analyses the rows of one or several runs.
///
/// # Errors
/// A trial that is there twice.
pub fn analyse(runs: &[RunRows<'_>], options: &Options) -> Result<Analysis, InputError> {
    refuse_duplicates(runs)?;
    let mut groups: BTreeMap<GroupKey, Vec<CellSummary>> = BTreeMap::new();
    for summary in summaries_of(runs) {
        groups.entry(GroupKey::of(&summary.cell)).or_default().push(summary);
    }
    let variants = Variants::of(runs.iter().map(|r| r.facts));
    let group = |(key, cells)| group(key, cells, runs, &variants, options);
    let mut groups: Vec<Group> = groups.into_iter().map(group).collect();
    groups.sort_by_cached_key(|g| (g.key.workload.clone(), g.key.size, g.key.conditions.order()));
    Ok(Analysis {
        runs: runs.iter().map(|r| r.run.to_owned()).collect(),
        options: options.clone(),
        pooled: pooled(&groups, options),
        break_even: break_even(&groups, &variants),
        fan_out: fan_out::curves(&groups, runs),
        storage: storage(&groups, &variants, options),
        groups,
        variants,
    })
}

fn group(
    key: GroupKey,
    cells: Vec<CellSummary>,
    runs: &[RunRows<'_>],
    variants: &Variants,
    options: &Options,
) -> Group {
    let reference = reference(&cells, variants, options);
    let family = |metric: &Metric| compare::against(reference.as_ref()?, &cells, *metric, options);
    let mut families: Vec<_> = options.metrics.iter().filter_map(family).collect();
    let mut pairs = compare::all_pairs(reference.as_ref(), &cells, options);
    compare::mark_decided(&mut families, &mut pairs);
    Group {
        ranking: rank(&cells, &families.iter().chain(&pairs).collect::<Vec<_>>()),
        noise: noise::floor(&cells, Metric::CriticalPath, options.alpha),
        drift: drifts(&cells),
        spans: cells.iter().filter_map(|c| spans::of(c, runs)).collect(),
        reference: reference.filter(|_| !families.is_empty()),
        key,
        cells,
        families,
        pairs,
    }
}

fn reference(cells: &[CellSummary], variants: &Variants, options: &Options) -> Option<StrategySpec> {
    let strategies: Vec<&StrategySpec> = cells.iter().filter(|c| !c.cell.control).map(|c| &c.cell.strategy).collect();
    let control = cells.iter().find(|c| c.cell.control).map(|c| &c.cell.strategy);
    reference_of(&strategies, control, options.reference.as_ref(), variants)
}

/// Reference of a group's strategies: the one asked for, where the group has it; else the baseline; else the strategy that
/// has a control; else the first in the order of the comparison table.
pub(crate) fn reference_of(
    strategies: &[&StrategySpec],
    control: Option<&StrategySpec>,
    asked: Option<&StrategySpec>,
    variants: &Variants,
) -> Option<StrategySpec> {
    let all = || strategies.iter().copied();
    all()
        .find(|s| asked == Some(*s))
        .or_else(|| all().find(|s| variants.is_baseline(s)))
        .or(control)
        .or_else(|| all().min_by_key(|s| variants.table_order(s)))
        .cloned()
}
