//! Verdict of a comparison: one of four words, with its basis.

use handoff_model::StrategySpec;
use serde::Serialize;

use crate::metric::Metric;
use crate::words::worded;

/// The four verdicts. There are no others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Surely less time than the reference; the estimate is enough to matter, and more than the noise.
    Faster,
    /// Surely more time than the reference; the estimate is enough to matter, and more than the noise.
    Slower,
    /// The whole interval of the shift lies within the smallest effect that matters.
    Equivalent,
    /// No verdict yet.
    Inconclusive(Inconclusive),
}

/// Reason why there is no verdict yet, and the rounds that would decide.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inconclusive {
    /// Reason.
    pub why: Why,
    /// The fewest rounds with which the exact test could decide this family at all.
    pub rounds_at_least: usize,
    /// Rounds that would settle it if the differences go on to spread as they do; none where nothing is to be estimated
    /// from, or where more than [`MOST_ROUNDS`] would be needed.
    pub rounds_estimated: Option<usize>,
}

/// An estimate above this is no plan that anybody runs.
pub const MOST_ROUNDS: usize = 1_000;

worded!(
    /// Reason why there is no verdict.
    #[derive(Serialize)]
    Why {
        /// No round in which both completed.
        NoPairs = "no round in which both completed",
        /// Even if every round pointed the same way, the exact test could not reach its level.
        TooFewRounds = "too few rounds for the exact test",
        /// The interval holds differences of both signs, or a difference that matters and one that does not.
        Unclear = "the interval is too wide",
        /// The sign is sure, but not that the difference is large enough to matter.
        BelowSmallestEffect = "the sign is sure, but not that the difference matters",
        /// The difference is not larger than that between two runs of the same strategy.
        BelowNoise = "not above the noise floor",
        /// The verdict at one size alone is the opposite of the pooled one.
        SizesDiffer = "the verdict at one size is the opposite",
    }
);

impl Verdict {
    /// The verdict in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Equivalent => "equivalent",
            Self::Inconclusive(_) => "inconclusive",
        }
    }

    /// Missing evidence of an inconclusive verdict.
    pub fn inconclusive(&self) -> Option<&Inconclusive> {
        match self {
            Self::Inconclusive(i) => Some(i),
            _ => None,
        }
    }
}

/// An estimate with its interval. No interval where too few rounds support one at the level: it is then unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The Hodges-Lehmann estimate.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// One strategy against another one, within rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The strategy.
    pub strategy: StrategySpec,
    /// Reference of the comparison.
    pub reference: StrategySpec,
    /// Rounds in which both completed.
    pub pairs: usize,
    /// Rounds in which only one of the two completed: they enter nothing.
    pub left_out: usize,
    /// Strategy minus reference in seconds: below 0 is faster.
    pub shift_s: Option<Estimate>,
    /// Strategy over reference: below 1 is faster. From the logs, so that its interval is not that of the shift.
    pub ratio: Option<Estimate>,
    /// The exact two-sided p of the paired signed-rank test.
    pub p: Option<f64>,
    /// The same after Holm's correction for the family.
    pub p_adjusted: Option<f64>,
    /// The level at which Holm tests this comparison; the intervals are those of 1 minus it, and leave out 0 (or 1)
    /// exactly where the test rejects.
    pub level: f64,
    /// The smallest effect that matters here, in seconds.
    pub smallest_effect_s: f64,
    /// Family whose verdict decides this pair in this quantity: the one against the reference before that of all pairs. None
    /// where neither decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_in: Option<FamilyKind>,
    /// The verdict that this family gives.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Kind of a family of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyKind {
    /// Every strategy against the one named reference. The family that verdicts are about.
    Reference,
    /// Every pair of strategies. Corrected for all pairs, so it needs more rounds.
    AllPairs,
}

/// Comparisons that are corrected together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Family {
    /// Kind of the family.
    pub kind: FamilyKind,
    /// The quantity compared.
    pub metric: Metric,
    /// Number of comparisons that Holm corrects for.
    pub size: usize,
    /// Fewest rounds with which an exact test can decide one comparison of a family of this size.
    pub rounds_needed: usize,
    /// Comparisons that have so many rounds: of the others no verdict could be given.
    pub decidable: usize,
    /// The comparisons, by strategy (and reference).
    pub comparisons: Vec<Comparison>,
}

impl Family {
    /// The comparison of a strategy with another one.
    pub fn of(&self, strategy: &StrategySpec, reference: &StrategySpec) -> Option<&Comparison> {
        self.comparisons.iter().find(|c| c.strategy == *strategy && c.reference == *reference)
    }
}
