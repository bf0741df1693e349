//! Group of comparable cells: one workload, one size and one set of conditions.

use handoff_model::{ByteSize, Cell, Conditions, StrategySpec};
use serde::Serialize;

use crate::drift::Drift;
use crate::metric::Metric;
use crate::noise::NoiseFloor;
use crate::order::{Known, known};
use crate::spans::CellSpans;
use crate::summary::CellSummary;
use crate::variants::Variants;
use crate::verdict::{Comparison, Estimate, Family, Verdict};

/// Values that the cells of a group share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct GroupKey {
    /// The workload.
    pub workload: String,
    /// The size asked for, in bytes.
    pub size: ByteSize,
    /// The conditions.
    pub conditions: Conditions,
}

/// The cells of one group, and what follows from them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Values that the cells share.
    pub key: GroupKey,
    /// One a strategy, the control's too; sorted by cell.
    pub cells: Vec<CellSummary>,
    /// Reference of the comparisons; none where the group has one strategy only.
    pub reference: Option<StrategySpec>,
    /// One family a quantity, against the reference.
    pub families: Vec<Family>,
    /// Every pair, on the critical path: the matrix. None with less than two strategies that have completed trials.
    pub pairs: Option<Family>,
    /// The order of the strategies.
    pub ranking: Ranking,
    /// Noise floor: the difference of two runs of the same strategy; none without control rows.
    pub noise: Option<NoiseFloor>,
    /// Whether the machine changed over the rounds: one a run.
    pub drift: Vec<Drift>,
    /// Spans of each cell that has completed trials.
    pub spans: Vec<CellSpans>,
}

impl GroupKey {
    /// The group of a cell.
    pub(crate) fn of(cell: &Cell) -> Self {
        Self { workload: cell.workload.clone(), size: cell.size, conditions: cell.conditions.clone() }
    }
}

impl Group {
    /// The cell of a strategy; never the control's.
    pub fn cell(&self, strategy: &StrategySpec) -> Option<&CellSummary> {
        self.cells.iter().find(|c| c.cell.strategy == *strategy && !c.cell.control)
    }

    /// The cell of the strategy that hands nothing over.
    pub fn baseline(&self, variants: &Variants) -> Option<&CellSummary> {
        self.cells.iter().find(|c| !c.cell.control && variants.is_baseline(&c.cell.strategy))
    }

    /// The verdict family on the critical path.
    pub fn main_family(&self) -> Option<&Family> {
        self.families.iter().find(|f| f.metric == Metric::CriticalPath)
    }

    /// Ranks that the verdicts leave to a strategy; none where it has no rank.
    pub fn rank_range(&self, strategy: &StrategySpec) -> Option<&RankRange> {
        self.ranking.places.iter().find(|p| p.strategy == *strategy)
    }

    /// Order of the critical paths of two strategies by the group's verdicts, and the family that decides: the one against
    /// the reference, which is corrected for fewer comparisons, before that of all pairs.
    pub fn known(&self, a: &StrategySpec, b: &StrategySpec) -> (Known, Option<&Family>) {
        known(self.main_family().into_iter().chain(&self.pairs), a, b)
    }

    /// Rounds of the strategy that has the most trials, over all runs; failed ones count.
    pub fn rounds(&self) -> usize {
        self.cells.iter().map(CellSummary::trials).max().unwrap_or(0)
    }
}

/// The order of the strategies by critical path, as far as the group's verdicts know it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// The strategies that finished every trial, by rank, then by median.
    pub places: Vec<RankRange>,
    /// Strategies with a failure, or without a completed trial: they have no rank.
    pub unranked: Vec<StrategySpec>,
    /// Strategies on which verdicts contradict each other, for example in a circle: they have no rank either.
    pub contradicted: Vec<StrategySpec>,
}

/// The ranks that the verdicts leave to one strategy: more than one where they do not tell it from others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankRange {
    /// The best one, from 1: one more than the number of ranked strategies that are faster by a verdict, against the
    /// reference or of a pair, or by several one after the other.
    pub rank: usize,
    /// The worst one: the number of ranked strategies, without those that are slower.
    pub worst_rank: usize,
    /// The strategy.
    pub strategy: StrategySpec,
    /// Median critical path in seconds.
    pub median_s: f64,
}

impl std::fmt::Display for RankRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.rank == self.worst_rank {
            write!(f, "{}", self.rank)
        } else {
            write!(f, "{}–{}", self.rank, self.worst_rank)
        }
    }
}

/// One strategy against the reference over all sizes of a workload and conditions: a stratified signed-rank test on log
/// ratios, the sizes being the strata.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pooled {
    /// The workload.
    pub workload: String,
    /// The conditions.
    pub conditions: Conditions,
    /// The sizes that are pooled.
    pub sizes: Vec<ByteSize>,
    /// Reference of the comparisons.
    pub reference: StrategySpec,
    /// Number of comparisons that Holm corrects for.
    pub size: usize,
    /// One a strategy. There is no shift in seconds: seconds of different sizes do not pool.
    pub comparisons: Vec<PooledComparison>,
}

/// A pooled comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PooledComparison {
    /// The strategy.
    pub strategy: StrategySpec,
    /// Rounds in which both completed, added up over the sizes.
    pub pairs: usize,
    /// Strategy over reference.
    pub ratio: Option<Estimate>,
    /// Exact p.
    pub p: Option<f64>,
    /// After Holm.
    pub p_adjusted: Option<f64>,
    /// The level of the interval.
    pub level: f64,
    /// The verdict; the smallest effect is its share alone, for there are no seconds here.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A comparison of two runs of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunComparison {
    /// Values that the cell's group shares.
    pub key: GroupKey,
    /// Samples of the first run.
    pub n_first: usize,
    /// Samples of the second run.
    pub n_second: usize,
    /// The second run against the first; `pairs` is the smaller n. Unpaired: an exact Mann-Whitney test.
    #[serde(flatten)]
    pub comparison: Comparison,
}
