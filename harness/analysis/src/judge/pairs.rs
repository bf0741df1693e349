//! One quantity of two strategies, within rounds.

use std::collections::BTreeMap;

use handoff_model::StrategySpec;
use handoff_records::MeasurementRow;

use super::reasons::{INTERVAL_CROSSES_BOUND, all_lie, too_few};
use super::trials::Trials;
use crate::claims::{Claim, Quantity, Rule};
use crate::judgement::{Evidence, Judgement, Measured, Unit};
use crate::spread::Spread;

/// Ratios are kept as whole numbers of this part.
pub(super) const PART: f64 = 1e9;

/// Fewest rounds of a quantity that is no time: counts and bytes hardly vary, but one round shows no pattern.
const FEWEST_ROUNDS: usize = 2;

pub(super) fn evidence(claim: &Claim, run: &Trials<'_>) -> Vec<Evidence> {
    match &claim.rule {
        Rule::Ratio { of, to, quantity, low, high, .. } => {
            let range = (low.unwrap_or(0.0), high.unwrap_or(f64::INFINITY));
            ratio(claim, run, (of, to), *quantity, range)
        }
        Rule::Slowest { strategy, others, quantity } => slowest(claim, run, strategy, others, *quantity),
        _ => Vec::new(),
    }
}

/// Ratios of the rounds in which both strategies have the quantity.
pub(super) fn ratios(
    run: &Trials<'_>,
    of: &[&MeasurementRow],
    to: &[&MeasurementRow],
    quantity: Quantity,
) -> Option<Spread> {
    let by_round = |rows: &[&MeasurementRow]| -> BTreeMap<u32, u64> {
        rows.iter().filter_map(|r| Some((r.round, run.value(r, quantity)?))).collect()
    };
    let (of, to) = (by_round(of), by_round(to));
    let both = of.iter().filter_map(|(round, x)| Some((*x, *to.get(round).filter(|y| **y > 0)?)));
    Spread::of(both.map(|(x, y)| (x as f64 / y as f64 * PART).round() as u64))
}

fn ratio(
    claim: &Claim,
    run: &Trials<'_>,
    (of, to): (&StrategySpec, &StrategySpec),
    quantity: Quantity,
    (low, high): (f64, f64),
) -> Vec<Evidence> {
    run.judge_cells(claim, of, |cell, rows| {
        let spread = ratios(run, rows, run.beside(cell, to)?, quantity);
        let n = spread.as_ref().map_or(0, Spread::n);
        let mut one = Evidence::of(run.run, cell, n);
        one.measured = spread.as_ref().map(|s| Measured::of(s, Unit::Ratio, PART));
        let network = claim.rule.needs_network(&cell.conditions.profile);
        Some(match (spread, one.measured) {
            (Some(_), Some(_)) if network.is_some() => one.refused(network.unwrap_or_default()),
            (Some(s), Some(m)) if quantity.is_time() && !m.is_sure() => {
                let lie = between(s.min() as f64 / PART, s.max() as f64 / PART, (low, high));
                one.refused(format!("{}{}", too_few(n), all_lie(lie)))
            }
            (Some(_), Some(m)) if quantity.is_time() => judged(one, between(m.low, m.high, (low, high)), true),
            (Some(_), _) if n < FEWEST_ROUNDS => one.refused(format!("{n} of {FEWEST_ROUNDS} rounds")),
            // Bytes and counts: every round must agree.
            (Some(s), _) => {
                let range = (s.min() as f64 / PART, s.max() as f64 / PART);
                judged(one, between(range.0, range.1, (low, high)), false)
            }
            (None, _) => one.refused(format!("no round in which both have {}", quantity.words())),
        })
    })
}

/// Position of an interval: below, within, above; none where it crosses a bound.
pub(super) fn between(from: f64, to: f64, (low, high): (f64, f64)) -> Option<std::cmp::Ordering> {
    match (from, to) {
        (_, to) if to < low => Some(std::cmp::Ordering::Less),
        (from, _) if from > high => Some(std::cmp::Ordering::Greater),
        (from, to) if low <= from && to <= high => Some(std::cmp::Ordering::Equal),
        _ => None,
    }
}

fn judged(one: Evidence, lies: Option<std::cmp::Ordering>, is_time: bool) -> Evidence {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match lies {
        Some(Equal) => one.judged(Judgement::AsClaimed),
        Some(Less | Greater) if !is_time => one.judged(Judgement::NotAsClaimed),
        Some(Less) => one.judged(Judgement::FasterThanClaimed),
        Some(Greater) => one.judged(Judgement::SlowerThanClaimed),
        None => one.refused(INTERVAL_CROSSES_BOUND),
    }
}

/// As claimed if it is surely slower than every other one; not as claimed if it is surely faster than one of them.
fn slowest(
    claim: &Claim,
    run: &Trials<'_>,
    strategy: &StrategySpec,
    others: &[StrategySpec],
    quantity: Quantity,
) -> Vec<Evidence> {
    run.judge_cells(claim, strategy, |cell, rows| {
        let found: Vec<(&StrategySpec, Spread)> = others
            .iter()
            .filter_map(|other| Some((other, ratios(run, rows, run.beside(cell, other)?, quantity)?)))
            .collect();
        let n = found.iter().map(|(_, s)| s.n()).min()?;
        let mut one = Evidence::of(run.run, cell, n);
        let measured: Vec<(&StrategySpec, Measured)> =
            found.iter().map(|(other, s)| (*other, Measured::of(s, Unit::Ratio, PART))).collect();
        let each: Vec<String> = measured.iter().map(|(other, m)| format!("{} of `{other}`", m.ratio_text())).collect();
        one.note = each.join(", ");
        let faster = measured.iter().any(|(_, m)| m.is_sure() && m.high < 1.0);
        let slower = measured.iter().all(|(_, m)| m.is_sure() && m.low > 1.0) && found.len() == others.len();
        Some(match (faster, slower) {
            (true, _) => one.judged(Judgement::NotAsClaimed),
            (false, true) => one.judged(Judgement::AsClaimed),
            (false, false) if measured.iter().any(|(_, m)| !m.is_sure()) => one.refused(too_few(n)),
            (false, false) => one.refused(INTERVAL_CROSSES_BOUND),
        })
    })
}
