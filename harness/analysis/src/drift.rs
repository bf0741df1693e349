//! Whether the machine changed over the rounds.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::exact::kendall;
use crate::spread::Spread;
use crate::summary::CellSummary;

/// Drift of a run over its rounds, in the cells of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The run.
    pub run: String,
    /// Each round and how its trials lie to the medians of their cells: the median of the ratios, minus 1.
    pub rounds: Vec<(u32, f64)>,
    /// Kendall's tau of round and level; none with fewer than three rounds.
    pub tau: Option<f64>,
    /// Exact two-sided p.
    pub p: Option<f64>,
    /// Change a round, as a share (median of all pairwise slopes).
    pub per_round: Option<f64>,
    /// Whether a reader should be warned: p is at most 0.05.
    pub drifts: bool,
}

/// A change this sure is shown as a warning.
const WARN: f64 = 0.05;

/// The drift of each run over the cells of one group.
pub(crate) fn drifts(cells: &[CellSummary]) -> Vec<Drift> {
    let mut runs: BTreeMap<&str, BTreeMap<u32, Vec<f64>>> = BTreeMap::new();
    for cell in cells {
        let samples: BTreeSet<&str> = cell.samples.iter().map(|s| s.run.as_str()).collect();
        for run in samples {
            let of_run = || cell.samples.iter().filter(|s| s.run == run);
            let Some(spread) = Spread::of(of_run().filter_map(|s| s.critical_path_ns)) else { continue };
            for sample in of_run() {
                let Some(ns) = sample.critical_path_ns else { continue };
                let ratio = ns as f64 / (spread.median().max(1)) as f64;
                runs.entry(run).or_default().entry(sample.round).or_default().push(ratio);
            }
        }
    }
    runs.into_iter().map(|(run, rounds)| drift(run, rounds)).collect()
}

fn drift(run: &str, rounds: BTreeMap<u32, Vec<f64>>) -> Drift {
    let rounds: Vec<(u32, f64)> = rounds.into_iter().map(|(round, ratios)| (round, median(ratios) - 1.0)).collect();
    let levels: Vec<f64> = rounds.iter().map(|(_, level)| *level).collect();
    let trend = kendall::trend(&levels);
    let mut slopes = Vec::new();
    for (i, (r, x)) in rounds.iter().enumerate() {
        slopes.extend(rounds[i + 1..].iter().map(|(s, y)| (y - x) / f64::from(s - r)));
    }
    Drift {
        run: run.to_owned(),
        tau: trend.map(|(tau, _)| tau),
        p: trend.map(|(_, p)| p),
        per_round: trend.map(|_| median(slopes)),
        drifts: trend.is_some_and(|(_, p)| p <= WARN),
        rounds,
    }
}

/// The median of a list that is not empty; 0 of an empty one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n.is_multiple_of(2) => f64::midpoint(values[n / 2 - 1], values[n / 2]),
        n => values[n / 2],
    }
}
