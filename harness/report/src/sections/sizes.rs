//! Time against size.

use super::{drawn, group_heading};
use crate::block::Block;
use crate::charts;
use crate::format::NONE;
use crate::grid::Grid;
use crate::report::Report;

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (i, group) in report.groups.iter().enumerate() {
        let Ok(chart) = charts::sizes(report, i) else { continue };
        blocks.extend(group_heading(report, group));
        blocks.push(drawn(Ok(chart), false));
        let pooled =
            report.analysis.pooled.iter().find(|p| p.workload == group.workload && p.conditions == group.conditions);
        let Some(pooled) = pooled else { continue };
        let sizes: Vec<String> = pooled.sizes.iter().map(ToString::to_string).collect();
        let mut grid = Grid::new("Approach | Verdict | Ratio [interval]: | p: | p after Holm: | Rounds compared:");
        for line in group.lines.iter().filter(|l| !l.control) {
            let Some(c) = pooled.comparisons.iter().find(|c| c.strategy == line.spec) else { continue };
            let ratio = c.ratio.as_ref().map_or(NONE.to_owned(), |e| {
                let end = |v: Option<f64>| v.map_or("unbounded".to_owned(), |v| format!("{v:.3}"));
                format!("{:.3} [{} to {}]", e.value, end(e.low), end(e.high))
            });
            let p = |p: Option<f64>| p.map_or(NONE.to_owned(), |p| format!("{p:.4}"));
            let texts = [c.verdict.word().to_owned(), ratio, p(c.p), p(c.p_adjusted), c.pairs.to_string()];
            grid.push_line(line, texts);
        }
        if !grid.rows.is_empty() {
            blocks.push(Block::Text(format!(
                "The next table compares critical paths with `{1}` over {0} together, as ratios: a stratified signed-rank test on log \
                 ratios, with the sizes as strata. Its verdicts hold over all sizes, not at one size alone. No rank rests on them.",
                sizes.join(", "),
                pooled.reference
            )));
            blocks.push(Block::Table(grid));
        }
    }
    if blocks.is_empty() {
        blocks.push(Block::Text("No chart over sizes: no strategy completed at two or more sizes.".to_owned()));
    }
    blocks
}
