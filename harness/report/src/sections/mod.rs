//! Sections of a report.

pub(crate) mod answer;
pub(crate) mod claims;
pub(crate) mod fan_out;
pub(crate) mod first;
pub(crate) mod identity;
pub(crate) mod links;
pub(crate) mod ours;
pub(crate) mod sizes;
pub(crate) mod storage;
pub(crate) mod threats;
pub(crate) mod time;
pub(crate) mod verdicts;

use crate::block::Block;
use crate::format::capital;
use crate::plot::Drawn;
use crate::report::{Group, Report};

/// Heading above the blocks of one group; none for the only group.
fn group_heading(report: &Report, group: &Group) -> Option<Block> {
    (report.groups.len() > 1).then(|| Block::Heading(3, capital(&crate::factors::differences(report, group))))
}

/// Largest SVG file that report.md shows, in bytes.
const MOST_EMBEDDED: usize = 60 << 10;

/// Chart, shown in report.md if `embedded` and small; or the sentence that says why there is none.
fn drawn(chart: Drawn, embedded: bool) -> Block {
    match chart {
        Ok(mut chart) => {
            chart.embedded = embedded && chart.svg(false).len() <= MOST_EMBEDDED;
            Block::Chart(Box::new(chart))
        }
        Err(sentence) => Block::Text(sentence),
    }
}
