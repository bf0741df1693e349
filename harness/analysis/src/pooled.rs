//! Sizes pooled: a stratified test on log ratios.

use std::collections::{BTreeMap, BTreeSet};

use handoff_model::StrategySpec;

use crate::decide::{TestResult, decide, inconclusive};
use crate::exact::signed_rank::SignedRank;
use crate::exact::{Corrected, holm, rounds_needed};
use crate::group::{Group, Pooled, PooledComparison};
use crate::metric::Metric;
use crate::options::Options;
use crate::order::Order;
use crate::paired::{from_logs, log_ratios, pairs};
use crate::verdict::{Estimate, Family, Verdict, Why};

/// Pools sizes: for each workload and conditions, every strategy against the reference that all sizes share.
pub(crate) fn pooled(groups: &[Group], options: &Options) -> Vec<Pooled> {
    let mut together: BTreeMap<_, Vec<&Group>> = BTreeMap::new();
    for group in groups {
        together.entry((&group.key.workload, &group.key.conditions)).or_default().push(group);
    }
    together.into_values().filter(|g| g.len() > 1).filter_map(|g| pool(&g, options)).collect()
}

/// Whether the verdicts at one size put a strategy elsewhere than the pooled verdict does: on the other side of the reference,
/// or on one where the pooled one says equivalent.
fn contradicts(group: &Group, pooled: &Verdict, strategy: &StrategySpec, reference: &StrategySpec) -> bool {
    let families: Vec<&Family> = group.main_family().into_iter().chain(&group.pairs).collect();
    let order =
        Order::new(group.cells.iter().filter(|c| !c.cell.control).map(|c| &c.cell.strategy).collect(), &families);
    match pooled {
        Verdict::Faster => order.is_ahead(reference, strategy),
        Verdict::Slower => order.is_ahead(strategy, reference),
        Verdict::Equivalent => order.is_ahead(strategy, reference) || order.is_ahead(reference, strategy),
        Verdict::Inconclusive(_) => false,
    }
}

fn pool(groups: &[&Group], options: &Options) -> Option<Pooled> {
    let reference = groups[0].reference.clone()?;
    if groups.iter().any(|g| g.reference.as_ref() != Some(&reference)) {
        return None;
    }
    let all = groups.iter().flat_map(|g| &g.cells).filter(|c| !c.cell.control).map(|c| &c.cell.strategy);
    let strategies: BTreeSet<&StrategySpec> = all.filter(|s| **s != reference).collect();
    let tests: Vec<Option<SignedRank>> = strategies
        .iter()
        .map(|strategy| {
            let strata = groups.iter().filter_map(|g| {
                let (pairs, _) = pairs(g.cell(strategy)?, g.cell(&reference)?, Metric::CriticalPath);
                Some(log_ratios(&pairs))
            });
            SignedRank::stratified(strata.collect())
        })
        .collect();
    let ps: Vec<f64> = tests.iter().map(|t| t.as_ref().map_or(1.0, SignedRank::p)).collect();
    let needed = rounds_needed(tests.len(), options.alpha);
    let comparisons = strategies
        .iter()
        .zip(&tests)
        .zip(holm(&ps, options.alpha))
        .map(|((strategy, test), Corrected { p, level })| {
            let ratio = test.as_ref().map(|t| from_logs(t.estimate(), t.interval(level)));
            let log =
                |e: Estimate| Estimate { value: e.value.ln(), low: e.low.map(f64::ln), high: e.high.map(f64::ln) };
            let result = TestResult {
                n: test.as_ref().map_or(0, SignedRank::n),
                estimate: ratio.map(log),
                p_adjusted: p,
                alpha: options.alpha,
                level,
                smallest: (1.0 + options.smallest_effect.share).ln(),
                floor: None,
                needed,
                // Strata differ in their spread: no number of rounds is foretold.
                deviation: None,
            };
            let verdict = decide(&result);
            let opposite = groups.iter().any(|g| contradicts(g, &verdict, strategy, &reference));
            PooledComparison {
                strategy: (*strategy).clone(),
                pairs: result.n,
                ratio,
                p: test.as_ref().map(SignedRank::p),
                p_adjusted: test.as_ref().map(|_| p),
                level,
                verdict: if opposite { inconclusive(&result, Why::SizesDiffer) } else { verdict },
            }
        })
        .collect::<Vec<_>>();
    (!comparisons.is_empty()).then(|| Pooled {
        workload: groups[0].key.workload.clone(),
        conditions: groups[0].key.conditions.clone(),
        sizes: groups.iter().map(|g| g.key.size).collect(),
        reference,
        size: comparisons.len(),
        comparisons,
    })
}
