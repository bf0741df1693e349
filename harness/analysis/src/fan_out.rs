//! Fan-out: times as more jobs share an image.

use std::collections::{BTreeMap, BTreeSet};

use handoff_model::{ByteSize, Conditions, StrategySpec};
use serde::Serialize;

use crate::group::Group;
use crate::input::RunRows;
use crate::spread::Spread;
use crate::summary::CellSummary;

/// The numbers of consumers that a report shows.
pub const CONSUMERS: [u32; 5] = [1, 4, 11, 24, 40];

/// One point of a fan-out curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FanOut {
    /// Number of consumers.
    pub consumers: u32,
    /// Critical path in seconds.
    pub critical_path_s: f64,
    /// Time of all jobs together in seconds.
    pub runner_s: f64,
    /// Origin of both times.
    pub basis: CurveBasis,
    /// Completed trials behind it.
    pub n: usize,
}

/// Origin of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CurveBasis {
    /// Medians of trials with just this many consumers.
    Measured,
    /// Computed from measured parts: the producer's median, the mean of the consumers, and the largest of N draws from
    /// the consumers seen. It assumes runners that do not slow each other down.
    Modelled,
}

/// Times of one strategy as more jobs share the image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FanOutCurve {
    /// The workload.
    pub workload: String,
    /// The size.
    pub size: ByteSize,
    /// The conditions, with the number of consumers of the cell that a model starts from.
    pub conditions: Conditions,
    /// The strategy.
    pub strategy: StrategySpec,
    /// Points by number of consumers.
    pub points: Vec<FanOut>,
}

/// One curve a workload, size, strategy and conditions, over whatever numbers of consumers were measured.
pub(crate) fn curves(groups: &[Group], runs: &[RunRows<'_>]) -> Vec<FanOutCurve> {
    let mut together: BTreeMap<_, Vec<&CellSummary>> = BTreeMap::new();
    for cell in groups.iter().flat_map(|g| &g.cells).filter(|c| c.is_usable()) {
        let base = Conditions { consumers: 0, consumer_concurrency: 1, ..cell.cell.conditions.clone() };
        together
            .entry((cell.cell.workload.clone(), cell.cell.size, base, cell.cell.strategy.clone()))
            .or_default()
            .push(cell);
    }
    together.into_values().filter_map(|cells| curve(cells, runs)).collect()
}

fn curve(mut cells: Vec<&CellSummary>, runs: &[RunRows<'_>]) -> Option<FanOutCurve> {
    cells.sort_by_key(|c| c.cell.conditions.consumers);
    let base = *cells.first()?;
    let numbers: BTreeSet<u32> =
        CONSUMERS.into_iter().chain(cells.iter().map(|c| c.cell.conditions.consumers)).collect();
    let consumers = consumers(base, runs);
    let point = |n: u32| match cells.iter().find(|c| c.cell.conditions.consumers == n) {
        Some(cell) => measured(cell, n),
        None => modelled(base, &consumers, n),
    };
    Some(FanOutCurve {
        workload: base.cell.workload.clone(),
        size: base.cell.size,
        conditions: base.cell.conditions.clone(),
        strategy: base.cell.strategy.clone(),
        points: numbers.into_iter().filter_map(point).collect(),
    })
}

fn measured(cell: &CellSummary, consumers: u32) -> Option<FanOut> {
    Some(FanOut {
        consumers,
        critical_path_s: cell.critical_path.as_ref()?.median_s(),
        runner_s: cell.runner.as_ref()?.median_s(),
        basis: CurveBasis::Measured,
        n: cell.n,
    })
}

fn modelled(base: &CellSummary, consumers: &[u64], n: u32) -> Option<FanOut> {
    let produce_s = base.produce.as_ref().map_or(0.0, Spread::median_s);
    if consumers.is_empty() {
        return None;
    }
    let mean = consumers.iter().map(|c| *c as f64).sum::<f64>() / consumers.len() as f64;
    Some(FanOut {
        consumers: n,
        critical_path_s: produce_s + largest_of(consumers, n) / 1e9,
        runner_s: produce_s + f64::from(n) * mean / 1e9,
        basis: CurveBasis::Modelled,
        n: base.n,
    })
}

/// Every consumer's clock of the cell, sorted; the slowest of each trial where consumers have no rows.
fn consumers(cell: &CellSummary, runs: &[RunRows<'_>]) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    for sample in &cell.samples {
        let rows = runs.iter().filter(|r| r.run == sample.run).flat_map(|r| r.consumers);
        let clocks: Vec<u64> = rows.filter(|c| c.trial == sample.trial).map(|c| c.consume_ns).collect();
        if clocks.is_empty() {
            all.extend(sample.consume_ns);
        }
        all.extend(clocks);
    }
    all.sort_unstable();
    all
}

/// The mean of the largest of `n` draws from the values (sorted, each as likely).
fn largest_of(sorted: &[u64], n: u32) -> f64 {
    let count = sorted.len() as f64;
    let below = |i: usize| (i as f64 / count).powi(n as i32);
    sorted.iter().enumerate().map(|(i, x)| *x as f64 * (below(i + 1) - below(i))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_maximum_approaches_the_largest_sample() {
        assert!((largest_of(&[10, 20], 1) - 15.0).abs() < 1e-12);
        assert!((largest_of(&[10, 20], 2) - 17.5).abs() < 1e-12);
        assert!((largest_of(&[10, 20], 40) - 20.0).abs() < 1e-6);
        assert!((largest_of(&[7], 11) - 7.0).abs() < 1e-12);
    }
}
