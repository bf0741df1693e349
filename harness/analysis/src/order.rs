//! Order of a group's strategies by all verdicts of its report.

use handoff_model::StrategySpec;

use crate::metric::Metric;
use crate::verdict::{Family, Verdict};

/// Order of two strategies by the verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The first one is faster.
    Ahead,
    /// The second one is faster.
    Behind,
    /// The difference does not matter.
    Equivalent,
    /// No verdict decides.
    Open,
}

impl Known {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Faster => Self::Ahead,
            Verdict::Slower => Self::Behind,
            Verdict::Equivalent => Self::Equivalent,
            Verdict::Inconclusive(_) => Self::Open,
        }
    }

    fn turned(self) -> Self {
        match self {
            Self::Ahead => Self::Behind,
            Self::Behind => Self::Ahead,
            same => same,
        }
    }
}

/// Order of the critical paths of two strategies. The first family that decides counts: the one against the
/// reference, which is corrected for fewer comparisons, before that of all pairs.
pub(crate) fn known<'a>(
    families: impl IntoIterator<Item = &'a Family>,
    a: &StrategySpec,
    b: &StrategySpec,
) -> (Known, Option<&'a Family>) {
    for family in families.into_iter().filter(|f| f.metric == Metric::CriticalPath) {
        let straight = family.of(a, b).map(|c| Known::of(&c.verdict));
        let found = straight.or_else(|| family.of(b, a).map(|c| Known::of(&c.verdict).turned()));
        if let Some(known) = found.filter(|k| *k != Known::Open) {
            return (known, Some(family));
        }
    }
    (Known::Open, None)
}

/// Strategies, and who is ahead of whom: by a verdict, or by verdicts one after the other.
pub(crate) struct Order<'a> {
    strategies: Vec<&'a StrategySpec>,
    known: Vec<Vec<Known>>,
    ahead: Vec<Vec<bool>>,
}

impl<'a> Order<'a> {
    pub(crate) fn new(strategies: Vec<&'a StrategySpec>, families: &[&Family]) -> Self {
        let n = strategies.len();
        let of = |a: &StrategySpec, b: &StrategySpec| known(families.iter().copied(), a, b).0;
        let known: Vec<Vec<Known>> = strategies.iter().map(|a| strategies.iter().map(|b| of(a, b)).collect()).collect();
        let mut ahead: Vec<Vec<bool>> =
            known.iter().map(|row| row.iter().map(|k| *k == Known::Ahead).collect()).collect();
        // Faster than one that is faster is faster.
        for via in 0..n {
            for a in 0..n {
                for b in 0..n {
                    ahead[a][b] |= ahead[a][via] && ahead[via][b];
                }
            }
        }
        Self { strategies, known, ahead }
    }

    /// Strategies on which the verdicts contradict each other: ahead of each other in a circle, or ahead of one that is
    /// called equivalent. Exact tests of few rounds can say so of odd data, because differences of medians do not add up.
    pub(crate) fn contradicted(&self) -> Vec<&'a StrategySpec> {
        let n = self.strategies.len();
        let odd = |a: usize, b: usize| self.ahead[a][b] && (self.ahead[b][a] || self.known[a][b] == Known::Equivalent);
        (0..n).filter(|a| (0..n).any(|b| odd(*a, b) || odd(b, *a))).map(|a| self.strategies[a]).collect()
    }

    /// The best and the worst rank that the verdicts leave to a strategy: one more than the number of strategies that are
    /// ahead of it, and as many as there are without those that are behind.
    pub(crate) fn ranks(&self, at: usize) -> (usize, usize) {
        let n = self.strategies.len();
        let ahead = (0..n).filter(|other| self.ahead[*other][at]).count();
        let behind = (0..n).filter(|other| self.ahead[at][*other]).count();
        (1 + ahead, n - behind)
    }

    /// Whether `a` is ahead of `b`.
    pub(crate) fn is_ahead(&self, a: &StrategySpec, b: &StrategySpec) -> bool {
        let at = |s: &StrategySpec| self.strategies.iter().position(|held| *held == s);
        at(a).zip(at(b)).is_some_and(|(a, b)| self.ahead[a][b])
    }
}

#[cfg(test)]
mod tests;
