//! The order of a group's strategies, as far as its verdicts know it.

use handoff_model::StrategySpec;

use crate::group::{RankRange, Ranking};
use crate::order::Order;
use crate::summary::CellSummary;
use crate::verdict::Family;

/// Ranks the strategies of which every trial finished, by every verdict on the critical path that a report shows of the
/// group: against the reference, and of every pair.
pub(crate) fn rank(cells: &[CellSummary], families: &[&Family]) -> Ranking {
    let measured = || cells.iter().filter(|c| !c.cell.control);
    let finished = |c: &&CellSummary| c.n > 0 && c.failures.is_empty();
    let mut ranked: Vec<&CellSummary> = measured().filter(finished).collect();
    let specs = |of: &[&CellSummary]| -> Vec<StrategySpec> { of.iter().map(|c| c.cell.strategy.clone()).collect() };
    let all = specs(&ranked);
    let contradicted: Vec<StrategySpec> =
        Order::new(all.iter().collect(), families).contradicted().into_iter().cloned().collect();
    ranked.retain(|c| !contradicted.contains(&c.cell.strategy));
    let held = specs(&ranked);
    let order = Order::new(held.iter().collect(), families);
    let mut places: Vec<RankRange> = ranked
        .iter()
        .enumerate()
        .filter_map(|(at, cell)| {
            let median_s = cell.critical_path.as_ref()?.median_s();
            let (rank, worst_rank) = order.ranks(at);
            Some(RankRange { rank, worst_rank, strategy: cell.cell.strategy.clone(), median_s })
        })
        .collect();
    places.sort_by(|a, b| {
        let ranks = (a.rank, a.worst_rank).cmp(&(b.rank, b.worst_rank));
        ranks.then(a.median_s.total_cmp(&b.median_s)).then_with(|| a.strategy.cmp(&b.strategy))
    });
    let unranked = measured().filter(|c| !finished(c)).map(|c| c.cell.strategy.clone()).collect();
    Ranking { places, unranked, contradicted }
}
