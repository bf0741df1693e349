//! Where the time goes: transfer, the parts of the critical path, and a timeline.

use std::collections::BTreeSet;

use handoff_analysis::Metric;
use handoff_model::{Role, SpanKind};

use super::{drawn, group_heading};
use crate::block::Block;
use crate::format::{self, NONE};
use crate::grid::Grid;
use crate::report::{Group, Report};
use crate::{charts, details};

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (i, group) in report.groups.iter().enumerate() {
        blocks.extend(group_heading(report, group));
        let embedded = super::first::is_shown(report, i);
        blocks.push(drawn(charts::timeline(report, i), embedded));
        blocks.extend(spans(report, group));
        // The sentence on a missing chart is that of the critical path.
        blocks.extend(charts::samples(report, i, Metric::Transfer).ok().map(|chart| drawn(Ok(chart), false)));
        blocks.extend(details::parts(group));
    }
    blocks
}

/// Median time in which each kind of span was open, at the largest size that has spans.
fn spans(report: &Report, group: &Group) -> Vec<Block> {
    let sizes = (0..group.sizes.len()).rev();
    let Some((i, cells)) =
        sizes.filter_map(|i| Some((i, report.analysed(group, i)?))).find(|(_, g)| !g.spans.is_empty())
    else {
        return Vec::new();
    };
    let mut kinds: BTreeSet<SpanKind> = cells.spans.iter().flat_map(|s| &s.kinds).map(|k| k.kind).collect();
    kinds.remove(&SpanKind::Command);
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut grid = Grid::new("Approach").with_numbers(kinds.iter().map(ToString::to_string));
    for line in &group.lines {
        let Some(spans) = cells.spans.iter().find(|s| s.cell.strategy == line.spec && s.cell.control == line.control)
        else {
            continue;
        };
        let times = kinds.iter().map(|kind| {
            let of = |role| {
                spans.kinds.iter().find(|k| k.kind == *kind && k.role == role).map(|k| format::time(Some(&k.time)))
            };
            match (of(Role::Producer), of(Role::Consumer)) {
                (None, None) => NONE.to_owned(),
                (p, c) => format!("{} / {}", p.unwrap_or_else(|| NONE.into()), c.unwrap_or_else(|| NONE.into())),
            }
        });
        grid.push_line(line, times);
    }
    vec![
        Block::Heading(4, format!("Kinds of spans at {}, producer / slowest consumer, s", group.sizes[i])),
        Block::Text(String::from(
            "A time is the median in which at least one span of the kind was open. Kinds overlap, so that times do not add up.",
        )),
        Block::Table(grid),
    ]
}
