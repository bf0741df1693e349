//! The noise floor: how far two runs of the same strategy in the same round lie apart.

use handoff_model::StrategySpec;
use serde::Serialize;

use crate::exact::signed_rank::SignedRank;
use crate::metric::Metric;
use crate::paired::{differences, pairs};
use crate::summary::CellSummary;

/// Noise floor from control rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoiseFloor {
    /// The strategy that ran twice a round.
    pub strategy: StrategySpec,
    /// Rounds in which both completed.
    pub pairs: usize,
    /// Control minus reference of each such round, in seconds, by round.
    pub differences_s: Vec<f64>,
    /// The Hodges-Lehmann shift of the two, in seconds: 0 but for noise.
    pub shift_s: f64,
    /// Difference that a claim must exceed, in seconds: the end of the shift's interval that is farther from 0; with too
    /// few rounds for an interval, the largest difference seen.
    pub floor_s: f64,
}

/// The noise floor of a group's cells for one quantity; none without control rows.
pub(crate) fn floor(cells: &[CellSummary], metric: Metric, alpha: f64) -> Option<NoiseFloor> {
    let control = cells.iter().find(|c| c.cell.control)?;
    let reference = cells.iter().find(|c| !c.cell.control && c.cell.strategy == control.cell.strategy)?;
    let (pairs, _) = pairs(control, reference, metric);
    of_differences(&control.cell.strategy, &differences(&pairs), alpha)
}

/// The same from control minus reference of each round, in ns.
pub(crate) fn of_differences(strategy: &StrategySpec, differences: &[i64], alpha: f64) -> Option<NoiseFloor> {
    let test = SignedRank::new(differences.to_vec())?;
    let differences_s: Vec<f64> = differences.iter().map(|d| *d as f64 / 1e9).collect();
    let floor_s = match test.interval(alpha) {
        (Some(low), Some(high)) => low.abs().max(high.abs()) / 1e9,
        _ => differences_s.iter().fold(0.0, |most: f64, d| most.max(d.abs())),
    };
    Some(NoiseFloor {
        strategy: strategy.clone(),
        pairs: differences_s.len(),
        differences_s,
        shift_s: test.estimate() / 1e9,
        floor_s,
    })
}
