//! The report as blocks, before it is laid out for anything.

use crate::report::Report;
use crate::{details, provenance, table};

/// A piece of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading; 1 is the title.
    Heading(u8, String),
    /// A paragraph of one line.
    Text(String),
    /// Lines with a bullet.
    List(Vec<String>),
    /// A table.
    Table(Grid),
    /// Something to be typed.
    Command(String),
}

/// A table: the first column is text, the others say how they are aligned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grid {
    /// Headings, units included, and whether the column is numbers.
    pub columns: Vec<(String, bool)>,
    /// Cells; each row is as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// The whole report.
pub fn document(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(1, provenance::title(report)), Block::Text(provenance::progress(report))];
    blocks.push(Block::Text(provenance::not_judged(report)));
    for group in &report.groups {
        blocks.push(Block::Heading(2, table::title(report, group)));
        blocks.push(Block::Table(table::comparison(report, group)));
        blocks.extend(details::parts(group));
    }
    blocks.push(Block::Heading(2, "How to read it".to_owned()));
    blocks.push(Block::List(details::reading(report)));
    blocks.extend(details::findings(report));
    blocks.extend(details::failures(report));
    blocks.extend(provenance::circumstances(report));
    blocks
}

/// The comparison alone, with what a reader must know to take it rightly.
pub fn short(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for group in &report.groups {
        blocks.push(Block::Text(format!("**{}**", table::title(report, group))));
        blocks.push(Block::Table(table::comparison(report, group)));
    }
    blocks.push(Block::Text(details::key().to_owned()));
    blocks.extend(details::too_few(report).map(Block::Text));
    blocks.push(Block::Text(provenance::progress(report)));
    blocks.push(Block::Text(provenance::simulated(report)));
    blocks.push(Block::Text(provenance::not_judged(report)));
    for run in &report.runs {
        blocks.push(Block::Command(provenance::command(&run.plan, &run.name)));
    }
    blocks
}
