//! The report as blocks, before it is laid out for anything.

use crate::block::Block;
use crate::format::capital;
use crate::provenance::{Images, images};
use crate::report::Report;
use crate::sections::{answer, claims, fan_out, identity, links, ours, sizes, storage, threats, time, verdicts};
use crate::{details, provenance, table};

/// Heading above the spike's statements.
const CLAIMS: &str = "The spike's statements";

/// The whole report.
pub fn document(report: &Report) -> Vec<Block> {
    let mut blocks = head(report);
    let mut section = |name: &str, content: Vec<Block>| {
        blocks.push(Block::Heading(2, name.to_owned()));
        blocks.extend(content);
    };
    section("The comparison", comparison(report));
    section("Verdicts", verdicts::blocks(report));
    section(CLAIMS, claims::blocks(report));
    section("Where the time goes", time::blocks(report));
    section("Sizes", sizes::blocks(report));
    let links = links::blocks(report);
    if !links.is_empty() {
        section("Links side by side", links);
    }
    if let Some((names, ours)) = ours::blocks(report) {
        section(&format!("{} beside the others", capital(&names)), ours);
    }
    section("Fan-out", fan_out::blocks(report));
    section("Identity", identity::blocks(report));
    section("Storage and cost", storage::blocks(report));
    section("Failures", details::failures(report));
    section("Environment", provenance::environment(report));
    section("Threats to validity", threats::blocks(report));
    section("To run it again", provenance::again(report));
    blocks
}

/// The title, the answer and how far the runs have come.
fn head(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(1, provenance::title(report))];
    blocks.extend(answer::blocks(report));
    blocks.extend(progress(report));
    blocks
}

fn progress(report: &Report) -> impl Iterator<Item = Block> {
    [provenance::progress(report)].into_iter().chain(provenance::mixed(report)).map(Block::Text)
}

/// The spike's table, measured beside claimed, and how to read it.
fn comparison(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for group in &report.groups {
        blocks.push(Block::Heading(3, table::title(report, group)));
        blocks.push(Block::Table(table::comparison(report, group)));
    }
    if images(report) != Images::User {
        blocks.push(Block::Text(provenance::not_judged(report)));
    }
    blocks.push(Block::List(details::reading(report)));
    blocks
}

/// What a terminal shows: the answer, the comparison, the verdicts, the spike's statements, what failed.
pub fn summary(report: &Report) -> Vec<Block> {
    let mut blocks = head(report);
    blocks.extend(comparison(report));
    blocks.push(Block::Heading(2, "Verdicts".to_owned()));
    blocks.extend(verdicts::blocks(report));
    blocks.push(Block::Heading(2, CLAIMS.to_owned()));
    blocks.extend(claims::blocks(report));
    blocks.push(Block::Heading(2, "Failures".to_owned()));
    blocks.extend(details::failures(report));
    blocks.push(Block::Text(provenance::simulated(report)));
    blocks.push(Block::Heading(2, "To run it again".to_owned()));
    blocks.extend(provenance::again(report));
    blocks
}

/// The comparison alone, with what a reader must know to take it rightly.
pub fn short(report: &Report) -> Vec<Block> {
    let mut blocks: Vec<Block> = answer::purpose(report).map(Block::Text).into_iter().collect();
    for group in &report.groups {
        blocks.push(Block::Text(format!("**{}**", table::title(report, group))));
        blocks.push(Block::Table(table::comparison(report, group)));
    }
    blocks.push(Block::Text(details::key().to_owned()));
    blocks.extend(details::too_few(report).map(Block::Text));
    blocks.extend(progress(report));
    blocks.push(Block::Text(provenance::simulated(report)));
    if images(report) != Images::User {
        blocks.push(Block::Text(provenance::not_judged(report)));
    }
    blocks.extend(report.runs.iter().map(|run| provenance::to_repeat(report, run)));
    blocks
}
