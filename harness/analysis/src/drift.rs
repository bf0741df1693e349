//! Whether the machine changed over the rounds.

use serde::Serialize;

/// How the level of a run's rounds went, over the cells of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The run.
    pub run: String,
    /// Each round and how its trials lie to the medians of their cells: the median of the ratios, minus 1.
    pub rounds: Vec<(u32, f64)>,
    /// Kendall's tau of round and level; none with fewer than three rounds.
    pub tau: Option<f64>,
    /// Its exact two-sided p.
    pub p: Option<f64>,
    /// Change a round, as a share (median of all pairwise slopes).
    pub per_round: Option<f64>,
    /// Whether a reader should be warned: p is at most 0.05.
    pub drifts: bool,
}
