//! The order of a group's strategies, as far as it is known.

use crate::group::{Place, Ranking};
use crate::summary::CellSummary;
use crate::verdict::{Family, Verdict};

/// Ranks the strategies of which every trial finished. A rank is one more than the number of ranked strategies that are
/// faster by the family of all pairs.
pub(crate) fn rank(cells: &[CellSummary], pairs: Option<&Family>) -> Ranking {
    let own = || cells.iter().filter(|c| !c.cell.control);
    let finished = |c: &&CellSummary| c.n > 0 && c.failures.is_empty();
    let ranked: Vec<&CellSummary> = own().filter(finished).collect();
    let mut places: Vec<Place> = ranked
        .iter()
        .filter_map(|cell| {
            let median_s = cell.critical_path.as_ref()?.median() as f64 / 1e9;
            let faster = ranked.iter().filter(|other| beats(pairs, other, cell)).count();
            Some(Place { rank: faster + 1, strategy: cell.cell.strategy.clone(), median_s })
        })
        .collect();
    places.sort_by(|a, b| {
        (a.rank, a.median_s)
            .partial_cmp(&(b.rank, b.median_s))
            .map_or_else(|| a.strategy.cmp(&b.strategy), |o| o.then_with(|| a.strategy.cmp(&b.strategy)))
    });
    let unranked = own().filter(|c| !finished(c)).map(|c| c.cell.strategy.clone()).collect();
    Ranking { places, unranked }
}

/// Whether `a` is faster than `b` by a verdict.
fn beats(pairs: Option<&Family>, a: &CellSummary, b: &CellSummary) -> bool {
    let (a, b) = (&a.cell.strategy, &b.cell.strategy);
    let Some(pairs) = pairs else { return false };
    let is = |comparison: Option<&crate::verdict::Comparison>, word: &Verdict| {
        comparison.is_some_and(|c| c.verdict == *word)
    };
    is(pairs.of(a, b), &Verdict::Faster) || is(pairs.of(b, a), &Verdict::Slower)
}
