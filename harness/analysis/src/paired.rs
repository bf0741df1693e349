//! Values of two strategies from the same rounds, and the logs of their ratios.

use std::collections::BTreeMap;

use crate::metric::Metric;
use crate::spread::Spread;
use crate::summary::CellSummary;
use crate::verdict::Estimate;

/// Logs are kept as whole numbers of this part, so that ties stay ties; it is far below what a clock can tell.
const LOG_SCALE: f64 = 1e12;

/// The values of a cell by run and round.
fn by_round(cell: &CellSummary, metric: Metric) -> BTreeMap<(&str, u32), u64> {
    cell.samples.iter().filter_map(|s| Some(((s.run.as_str(), s.round), s.get(metric)?))).collect()
}

/// Values of the same rounds, and the number of rounds that have only one of the two.
pub(crate) fn pairs(a: &CellSummary, b: &CellSummary, metric: Metric) -> (Vec<(u64, u64)>, usize) {
    joined(&by_round(a, metric), &by_round(b, metric))
}

/// The same of values by any key.
pub(crate) fn joined<K: Ord>(a: &BTreeMap<K, u64>, b: &BTreeMap<K, u64>) -> (Vec<(u64, u64)>, usize) {
    let both: Vec<(u64, u64)> = a.iter().filter_map(|(round, x)| Some((*x, *b.get(round)?))).collect();
    let left_out = a.len() + b.len() - 2 * both.len();
    (both, left_out)
}

/// Ratios of a quantity in two cells within rounds, in millionths; none without a round that has both.
pub fn ratios_within_rounds(a: &CellSummary, b: &CellSummary, metric: Metric) -> Option<Spread> {
    let (pairs, _) = pairs(a, b, metric);
    let ratio = |(a, b): (u64, u64)| (u128::from(a) * 1_000_000).checked_div(u128::from(b)).map(|ppm| ppm as u64);
    Spread::of(pairs.into_iter().filter_map(ratio))
}

/// A log, scaled.
pub(crate) fn log(value: f64) -> i64 {
    (value.ln() * LOG_SCALE).round() as i64
}

/// The logs of the ratios, scaled. A time of 0 has no log; no clock gives it.
pub(crate) fn log_ratios(pairs: &[(u64, u64)]) -> Vec<i64> {
    pairs.iter().filter(|(a, b)| *a > 0 && *b > 0).map(|(a, b)| log(*a as f64 / *b as f64)).collect()
}

/// A ratio from the logs.
pub(crate) fn from_logs(value: f64, (low, high): (Option<f64>, Option<f64>)) -> Estimate {
    let back = |x: f64| (x / LOG_SCALE).exp();
    Estimate { value: back(value), low: low.map(back), high: high.map(back) }
}

/// Difference of each pair, in nanoseconds.
pub(crate) fn differences(pairs: &[(u64, u64)]) -> Vec<i64> {
    pairs.iter().map(|(a, b)| (i128::from(*a) - i128::from(*b)) as i64).collect()
}
