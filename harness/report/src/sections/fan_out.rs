//! Cost of more jobs that share the image.

use std::collections::BTreeSet;

use handoff_analysis::{CurveBasis, FanOutCurve};

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
pub(crate) fn sets(report: &Report) -> Vec<CurveSet<'_>> {
    let mut sets: Vec<CurveSet> = Vec::new();
    for curve in &report.analysis.fan_out {
        let same = |other: &&FanOutCurve| {
            let mut conditions = other.conditions.clone();
            conditions.consumers = curve.conditions.consumers;
            other.workload == curve.workload && conditions == curve.conditions
        };
        let largest = report.analysis.fan_out.iter().filter(same).map(|c| c.size).max();
        if largest != Some(curve.size) {
            continue;
        }
        let c = &curve.conditions;
        let name = format!("workload {}, {}, {}", curve.workload, curve.size, factors::words_without(c, "consumers"));
        if let Some(set) = sets.iter_mut().find(|s| s.name == name) {
            set.curves.push(curve);
        } else {
            let slug = format!("-{:02}", sets.len() + 1);
            sets.push(CurveSet { name, slug, curves: vec![curve] });
        }
    }
    if let [only] = sets.as_mut_slice() {
        only.slug.clear();
    }
    for set in &mut sets {
        set.curves.sort_by_cached_key(|c| (report.variants().table_order(&c.strategy), c.strategy.to_string()));
    }
    sets
}

fn counts(curves: &[&FanOutCurve]) -> BTreeSet<u32> {
    curves.iter().flat_map(|c| &c.points).map(|p| p.consumers).collect()
}
