//! Options that a reader chooses before looking at numbers: error rate, smallest effect, reference.

use handoff_model::StrategySpec;
use serde::Serialize;

use crate::metric::Metric;
use crate::number::number;
use crate::prices::Prices;

/// The choices that verdicts depend on. Declared beforehand; the report prints them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// The error that a whole family of comparisons may make, for example 0.05.
    pub alpha: f64,
    /// The smallest difference that matters.
    pub smallest_effect: SmallestEffect,
    /// The reference of each group; none: the baseline where it is there, else the strategy with a control, else the first in the
    /// order of the comparison table.
    pub reference: Option<StrategySpec>,
    /// Quantities that get a family against the reference. One by default; each more is a family of its own, corrected
    /// for itself, and is labelled so.
    pub metrics: Vec<Metric>,
    /// Limits and prices of the services.
    pub prices: Prices,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            smallest_effect: SmallestEffect::default(),
            reference: None,
            metrics: vec![Metric::CriticalPath],
            // They are part of the program, and a test reads them: prices of nothing would be worse than no answer.
            prices: Prices::shipped().unwrap_or_else(|e| panic!("harness/analysis/prices.toml does not read: {e}")),
        }
    }
}

/// The smallest difference that matters to a reader: the larger of a share of the reference's median and a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SmallestEffect {
    /// Share of the reference's median, for example 0.05.
    pub share: f64,
    /// Time in seconds.
    pub seconds: f64,
}

impl Default for SmallestEffect {
    fn default() -> Self {
        Self { share: 0.05, seconds: 2.0 }
    }
}

impl SmallestEffect {
    /// Smallest effect in seconds, for a reference with this median.
    pub fn of(self, median_s: f64) -> f64 {
        (self.share * median_s).max(self.seconds)
    }
}

impl std::fmt::Display for SmallestEffect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the larger of {} % and {} s", number(self.share * 100.0), number(self.seconds))
    }
}
