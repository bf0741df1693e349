//! Cost of more jobs that share the image.

use std::collections::BTreeSet;

use handoff_analysis::{CurveBasis, FanOutCurve};
use handoff_model::Conditions;
use handoff_model::list::grouped;

use super::drawn;
use crate::block::Block;
use crate::factors;
use crate::format::{NONE, capital};
use crate::grid::{Cell, Grid};
use crate::plot::{self, CurveSet, look};
use crate::report::Report;

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    let sets = sets(report);
    let many = sets.len() > 1;
    for set in sets {
        if many {
            blocks.push(Block::Heading(3, capital(&set.name)));
        }
        let embedded =
            set.curves.iter().any(|c| c.points.iter().filter(|p| p.basis == CurveBasis::Measured).count() > 1);
        blocks.push(drawn(plot::fanout(&set, report.variants()), embedded));
        let counts = counts(&set.curves);
        let columns = counts.iter().map(|n| format!("{n}: critical path / all jobs, s"));
        let mut grid = Grid::new("Approach").with_numbers(columns);
        for curve in &set.curves {
            let look = look(report.variants().look(&curve.strategy), curve.strategy.options.is_empty());
            let times = counts.iter().map(|n| {
                curve.points.iter().find(|p| p.consumers == *n).map_or(NONE.into(), |p| {
                    let mark = if p.basis == CurveBasis::Modelled { "≈ " } else { "" };
                    format!("{mark}{:.1} / {:.1}", p.critical_path_s, p.runner_s).into()
                })
            });
            grid.push([Cell::marked(&curve.strategy.to_string(), look)].into_iter().chain(times));
        }
        blocks.push(Block::Table(grid));
    }
    if blocks.is_empty() {
        blocks.push(Block::Text("No fan-out: no strategy completed.".to_owned()));
    } else {
        blocks.push(Block::Text(String::from("Columns are numbers of consumers. A value with ≈ is modelled from measured parts: the producer's median, the mean of the \
             consumers, and the largest of as many draws from the measured consumers. The model assumes runners that do not slow each \
             other down. Values without ≈ are measured.")));
    }
    blocks
}

/// Sets of curves, each at its largest size.
pub(crate) fn sets<'a>(report: &'a Report) -> Vec<CurveSet<'a>> {
    let all = &report.analysis.fan_out;
    let base = |c: &FanOutCurve| (c.workload.clone(), Conditions { consumers: 0, ..c.conditions.clone() });
    let is_largest = |c: &&FanOutCurve| all.iter().all(|other| other.size <= c.size || base(other) != base(c));
    let name = |c: &FanOutCurve| {
        format!("workload {}, {}, {}", c.workload, c.size, factors::words_without(&c.conditions, "consumers"))
    };
    let named = grouped(all.iter().filter(is_largest).map(|c| (name(c), c)));
    let many = named.len() > 1;
    let set = |i: usize, name: String, mut curves: Vec<&'a FanOutCurve>| {
        curves.sort_by_cached_key(|c| (report.variants().table_order(&c.strategy), c.strategy.to_string()));
        CurveSet { name, slug: if many { format!("-{:02}", i + 1) } else { String::new() }, curves }
    };
    named.into_iter().enumerate().map(|(i, (name, curves))| set(i, name, curves)).collect()
}

fn counts(curves: &[&FanOutCurve]) -> BTreeSet<u32> {
    curves.iter().flat_map(|c| &c.points).map(|p| p.consumers).collect()
}
