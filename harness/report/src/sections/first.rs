//! First screen of a report: chart, answer and table; and the same for the other conditions further down.

use handoff_analysis::Metric;
use handoff_model::shell::quote;

use super::{answer, drawn, group_heading};
use crate::block::Block;
use crate::report::Report;
use crate::{charts, details, provenance, table};

/// Most sets of conditions that the first screen shows.
const MOST: usize = 2;

/// Groups of the first screen: all if they are few, else the group of the answer.
fn groups(report: &Report) -> Vec<usize> {
    let headline = report.headline(|_| true).and_then(|cells| report.group_of(cells)).unwrap_or(0);
    let mut all: Vec<usize> = (0..report.groups.len()).collect();
    all.sort_by_key(|i| *i != headline);
    all.truncate(if all.len() > MOST { 1 } else { MOST });
    all
}

/// Whether report.md shows a group's charts.
pub(crate) fn is_shown(report: &Report, i: usize) -> bool {
    groups(report).contains(&i)
}

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let shown = groups(report);
    let mut blocks: Vec<Block> =
        shown.iter().map(|i| drawn(charts::samples(report, *i, Metric::CriticalPath), true)).collect();
    blocks.extend(answer::blocks(report, &shown));
    blocks.extend(advice(report));
    blocks.extend(shown.iter().flat_map(|i| tables(report, *i)));
    blocks.push(Block::Text(details::KEY.to_owned()));
    blocks.extend(answer::purpose(report).map(Block::Text));
    blocks.push(Block::Text(provenance::progress(report)));
    blocks.extend(details::too_few(report).map(Block::Text));
    blocks.extend(provenance::mixed(report).map(Block::Text));
    let notes: usize = report.runs.iter().map(|r| r.warnings.len()).sum();
    if notes > 0 {
        let notes = crate::format::plural(notes, "note", "notes");
        blocks.push(Block::Text(format!("Reading the files left {notes}, listed below \"Left out while reading\".")));
    }
    blocks
}

/// Command that recommends a way for a user's image and prints its workflow.
fn advice(report: &Report) -> Vec<Block> {
    let (Some(_), Some(cells)) = (provenance::user_image(report), report.headline(|_| true)) else { return Vec::new() };
    let folders: Vec<String> = report.runs.iter().map(|r| quote(&r.dir.to_string_lossy())).collect();
    let (folders, size, consumers) = (folders.join(" "), cells.key.size, cells.key.conditions.consumers);
    vec![
        Block::Text(
            "This command recommends a way for your number of jobs and pushes, and prints the workflow to paste:"
                .to_owned(),
        ),
        Block::Command(format!(
            "handoff recommend {folders} --consumers {consumers} --pushes-per-day 10 --image-size {size}"
        )),
    ]
}

/// One table a size.
fn tables(report: &Report, i: usize) -> impl Iterator<Item = Block> {
    let group = &report.groups[i];
    (0..group.sizes.len()).map(move |size| Block::Table(table::summary(report, group, size)))
}

/// Chart and tables of the conditions that the first screen leaves out.
pub(crate) fn others(report: &Report) -> Vec<Block> {
    let shown = groups(report);
    let mut blocks = Vec::new();
    for (i, group) in report.groups.iter().enumerate().filter(|(i, _)| !shown.contains(i)) {
        blocks.extend(group_heading(report, group));
        blocks.push(drawn(charts::samples(report, i, Metric::CriticalPath), false));
        blocks.extend(tables(report, i));
    }
    blocks
}
