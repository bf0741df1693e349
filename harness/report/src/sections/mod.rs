//! The sections of the report, in the order in which they stand.

pub(crate) mod answer;
pub(crate) mod claims;
pub(crate) mod fan_out;
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
use crate::table;

/// The heading above what belongs to one group; none where there is only one group.
fn group_heading(report: &Report, group: &Group) -> Option<Block> {
    (report.groups.len() > 1).then(|| Block::Heading(3, capital(&table::apart(report, group))))
}

/// A chart, or the sentence that says why there is none.
fn drawn(chart: Drawn) -> Block {
    match chart {
        Ok(chart) => Block::Chart(Box::new(chart)),
        Err(sentence) => Block::Text(sentence),
    }
}
