//! The noise floor: how far two runs of the same strategy in the same round lie apart.

use handoff_model::StrategySpec;
use serde::Serialize;

/// What control rows say.
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
    /// What a claimed difference must exceed, in seconds: the end of the shift's interval that is farther from 0; with too
    /// few rounds for an interval, the largest difference seen.
    pub floor_s: f64,
}
