//! Strategies against each other, within rounds.

use std::collections::BTreeMap;

use handoff_model::StrategySpec;

use crate::decide::{TestResult, decide};
use crate::exact::holm::samples_needed;
use crate::exact::rank_sum::RankSum;
use crate::exact::signed_rank::SignedRank;
use crate::exact::{Corrected, holm, rounds_needed};
use crate::metric::Metric;
use crate::noise;
use crate::options::Options;
use crate::paired::{differences, from_logs, joined, log, log_ratios, pairs};
use crate::spread::Spread;
use crate::summary::CellSummary;
use crate::verdict::{Comparison, Estimate, Family, FamilyKind};

/// A quantity of one strategy, by run and round, in ns: one that no column holds as it is.
pub(crate) struct Series {
    pub(crate) strategy: StrategySpec,
    pub(crate) values: BTreeMap<(String, u32), u64>,
}

/// An estimate with its interval at a level.
type AtLevel = Box<dyn Fn(f64) -> Estimate>;

/// Results of the exact tests before the correction of the family.
struct Pair<'a> {
    strategy: &'a StrategySpec,
    reference: &'a StrategySpec,
    reference_s: f64,
    n: usize,
    left_out: usize,
    p: Option<f64>,
    shift: Option<AtLevel>,
    ratio: Option<AtLevel>,
    spread_s: Option<f64>,
}

/// The sample standard deviation; none below two values.
fn deviation(values: &[i64]) -> Option<f64> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().map(|v| *v as f64).sum::<f64>() / n;
    Some((values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

impl<'a> Pair<'a> {
    fn new(strategy: &'a CellSummary, reference: &'a CellSummary, metric: Metric) -> Self {
        let names = (&strategy.cell.strategy, &reference.cell.strategy);
        Self::of(names, reference.spread(metric), pairs(strategy, reference, metric))
    }

    fn of(
        (strategy, reference): (&'a StrategySpec, &'a StrategySpec),
        of_reference: Option<&Spread>,
        (pairs, left_out): (Vec<(u64, u64)>, usize),
    ) -> Self {
        let differences = differences(&pairs);
        let spread_s = deviation(&differences).map(|d| d / 1e9);
        let (test, ratio) = (SignedRank::new(differences), SignedRank::new(log_ratios(&pairs)));
        Self {
            strategy,
            reference,
            reference_s: of_reference.map_or(0.0, Spread::median_s),
            n: test.as_ref().map_or(0, SignedRank::n),
            left_out,
            p: test.as_ref().map(SignedRank::p),
            shift: test.map(|t| -> AtLevel { Box::new(move |level| seconds(t.estimate(), t.interval(level))) }),
            ratio: ratio.map(|t| -> AtLevel { Box::new(move |level| from_logs(t.estimate(), t.interval(level))) }),
            spread_s,
        }
    }
}

/// An estimate in the unit that people read.
pub(crate) fn seconds(value: f64, (low, high): (Option<f64>, Option<f64>)) -> Estimate {
    Estimate { value: value / 1e9, low: low.map(|x| x / 1e9), high: high.map(|x| x / 1e9) }
}

/// Every pair named, corrected together.
fn family(
    kind: FamilyKind,
    metric: Metric,
    cells: &[(&CellSummary, &CellSummary)],
    all: &[CellSummary],
    options: &Options,
) -> Family {
    let pairs: Vec<Pair> = cells.iter().map(|(a, b)| Pair::new(a, b, metric)).collect();
    let floor_s = noise::floor(all, metric, options.alpha).map(|n| n.floor_s);
    let needed = rounds_needed(pairs.len(), options.alpha);
    let comparisons = corrected(&pairs, needed, floor_s, options);
    let decidable = comparisons.iter().filter(|c| c.pairs >= needed).count();
    Family { kind, metric, size: pairs.len(), rounds_needed: needed, decidable, comparisons }
}

/// Series against one of them, corrected together.
pub(crate) fn with_one(
    reference: &Series,
    others: &[Series],
    floor_s: Option<f64>,
    options: &Options,
) -> Vec<Comparison> {
    let spread = Spread::of(reference.values.values().copied());
    let rounds = |s: &Series| joined(&s.values, &reference.values);
    let pairs: Vec<Pair> =
        others.iter().map(|s| Pair::of((&s.strategy, &reference.strategy), spread.as_ref(), rounds(s))).collect();
    corrected(&pairs, rounds_needed(pairs.len(), options.alpha), floor_s, options)
}

/// The comparisons of a family that needs so many rounds.
fn corrected(pairs: &[Pair<'_>], needed: usize, floor_s: Option<f64>, options: &Options) -> Vec<Comparison> {
    let ps: Vec<f64> = pairs.iter().map(|pair| pair.p.unwrap_or(1.0)).collect();
    let each = pairs.iter().zip(holm(&ps, options.alpha));
    each.map(|(pair, corrected)| comparison(pair, corrected, needed, floor_s, options)).collect()
}

fn comparison(
    pair: &Pair<'_>,
    Corrected { p, level }: Corrected,
    needed: usize,
    floor: Option<f64>,
    options: &Options,
) -> Comparison {
    let smallest_effect_s = options.smallest_effect.of(pair.reference_s);
    let shift_s = pair.shift.as_ref().map(|at| at(level));
    let result = TestResult {
        n: pair.n,
        estimate: shift_s,
        p_adjusted: p,
        alpha: options.alpha,
        level,
        smallest: smallest_effect_s,
        floor,
        needed,
        deviation: pair.spread_s,
    };
    Comparison {
        strategy: pair.strategy.clone(),
        reference: pair.reference.clone(),
        pairs: result.n,
        left_out: pair.left_out,
        shift_s,
        ratio: pair.ratio.as_ref().map(|at| at(level)),
        p: pair.p,
        p_adjusted: pair.p.map(|_| p),
        level,
        smallest_effect_s,
        decided_in: None,
        verdict: decide(&result),
    }
}

/// The strategies of a group against the reference. None with nothing to compare.
pub(crate) fn against(
    reference: &StrategySpec,
    cells: &[CellSummary],
    metric: Metric,
    options: &Options,
) -> Option<Family> {
    let measured: Vec<&CellSummary> = cells.iter().filter(|c| !c.cell.control).collect();
    let has = |c: &&&CellSummary| c.spread(metric).is_some();
    // Where the reference has no such quantity (`rebuild` has no transfer) the first strategy that has it stands in.
    let reference = measured
        .iter()
        .find(|c| c.cell.strategy == *reference)
        .filter(|c| metric == Metric::CriticalPath || has(c))
        .or_else(|| measured.iter().find(has))?;
    let others: Vec<_> = measured
        .iter()
        .filter(|c| c.cell.strategy != reference.cell.strategy)
        .filter(|c| metric == Metric::CriticalPath || has(c))
        .map(|c| (*c, *reference))
        .collect();
    (!others.is_empty()).then(|| family(FamilyKind::Reference, metric, &others, cells, options))
}

/// Every pair of strategies that have completed trials. The reference is the second of each of its pairs, as in its own
/// family, so that the smallest effect of a pair is the same in both.
pub(crate) fn all_pairs(reference: Option<&StrategySpec>, cells: &[CellSummary], options: &Options) -> Option<Family> {
    let mut completed: Vec<&CellSummary> = cells.iter().filter(|c| !c.cell.control && c.n > 0).collect();
    completed.sort_by_key(|c| reference == Some(&c.cell.strategy));
    let mut all = Vec::new();
    for (i, a) in completed.iter().enumerate() {
        all.extend(completed[i + 1..].iter().map(|b| (*a, *b)));
    }
    (!all.is_empty()).then(|| family(FamilyKind::AllPairs, Metric::CriticalPath, &all, cells, options))
}

/// Marks every comparison with the family that decides its pair, so that two verdicts on one pair do not contradict each other.
pub(crate) fn mark_decided(families: &mut [Family], pairs: &mut Option<Family>) {
    let all = || families.iter().chain(pairs.iter());
    let decided = |of: &Family, c: &Comparison| {
        let same = all().filter(|f| f.metric == of.metric);
        let mut found = same.filter(|f| {
            let pair = f.of(&c.strategy, &c.reference).or_else(|| f.of(&c.reference, &c.strategy));
            pair.is_some_and(|c| c.verdict.inconclusive().is_none())
        });
        found.next().map(|f| f.kind)
    };
    let of = |f: &Family| -> Vec<_> { f.comparisons.iter().map(|c| decided(f, c)).collect() };
    let marks: Vec<Vec<_>> = all().map(of).collect();
    for (family, marks) in families.iter_mut().chain(pairs).zip(marks) {
        family.comparisons.iter_mut().zip(marks).for_each(|(c, mark)| c.decided_in = mark);
    }
}

/// The cells of one run against the same cells of another one, corrected together: an exact Mann-Whitney test each, for
/// rounds of two runs are no pairs.
pub(crate) fn between<'a>(
    cells: &[(&'a CellSummary, &'a CellSummary)],
    metric: Metric,
    options: &Options,
) -> Vec<Comparison> {
    let values =
        |c: &CellSummary| -> Vec<i64> { c.samples.iter().filter_map(|s| s.get(metric)).map(|ns| ns as i64).collect() };
    let logs = |v: &[i64]| -> Vec<i64> { v.iter().filter(|x| **x > 0).map(|x| log(*x as f64)).collect() };
    let pair = |(before, after): &(&'a CellSummary, &'a CellSummary)| {
        let (a, b) = (values(before), values(after));
        let ratio = RankSum::new(logs(&a), logs(&b));
        let n = a.len().min(b.len());
        // Two independent samples: their variances add up.
        let spread_s = deviation(&a).zip(deviation(&b)).map(|(x, y)| x.hypot(y) / 1e9);
        let test = RankSum::new(a, b);
        Pair {
            strategy: &after.cell.strategy,
            reference: &before.cell.strategy,
            reference_s: before.spread(metric).map_or(0.0, Spread::median_s),
            n,
            left_out: 0,
            p: test.as_ref().map(RankSum::p),
            shift: test.map(|t| -> AtLevel { Box::new(move |level| seconds(t.estimate(), t.interval(level))) }),
            ratio: ratio.map(|t| -> AtLevel { Box::new(move |level| from_logs(t.estimate(), t.interval(level))) }),
            spread_s,
        }
    };
    let pairs: Vec<Pair> = cells.iter().map(pair).collect();
    corrected(&pairs, samples_needed(cells.len(), options.alpha), None, options)
}
