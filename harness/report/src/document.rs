//! The report as blocks, before it is laid out for anything.

use crate::plot::{Chart, Look, look};
use crate::provenance::{Images, images};
use crate::report::{Line, Report};
use crate::sections::{
    answer, capital, claims, fan_out, identity, links, ours, sizes, storage, threats, time, verdicts,
};
use crate::{details, provenance, table};

/// A piece of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading; 1 is the title.
    Heading(u8, String),
    /// A sentence of the answer.
    Lead(String),
    /// A paragraph of one line.
    Text(String),
    /// Lines with a bullet.
    List(Vec<String>),
    /// A table.
    Table(Grid),
    /// Something to be typed.
    Command(String),
    /// A picture made of letters.
    Drawing(String),
    /// A chart.
    Chart(Box<Chart>),
}

/// What a cell of a table says, where it is more than a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing more.
    #[default]
    Plain,
    /// Faster; as claimed.
    Good,
    /// Slower; not as claimed; a failure.
    Bad,
    /// Equivalent.
    Same,
    /// Not known.
    Open,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How it is meant; never said by colour alone, the text says it too.
    pub tone: Tone,
    /// The marker of the strategy that it names.
    pub(crate) look: Option<Look>,
}

impl Cell {
    /// A text with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone, look: None }
    }

    /// A strategy's name.
    pub(crate) fn strategy(line: &Line) -> Self {
        Self { text: line.name.clone(), tone: Tone::Plain, look: Some(look(line.look, line.plain)) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A table: the first column is text, the others say how they are aligned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grid {
    /// Headings, units included, and whether the column is numbers.
    pub columns: Vec<(String, bool)>,
    /// Cells; each row is as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// A table without rows.
    pub(crate) fn new(columns: &[(&str, bool)]) -> Self {
        Self {
            columns: columns.iter().map(|(name, numbers)| ((*name).to_owned(), *numbers)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn push<C: Into<Cell>>(&mut self, row: impl IntoIterator<Item = C>) {
        let row: Vec<Cell> = row.into_iter().map(Into::into).collect();
        debug_assert_eq!(row.len(), self.columns.len(), "{:?}", self.columns);
        self.rows.push(row);
    }
}

/// Heading above the spike's statements.
const CLAIMS: &str = "The spike's statements";

/// The whole report.
pub fn document(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(1, provenance::title(report))];
    blocks.extend(answer::blocks(report));
    blocks.push(Block::Text(provenance::progress(report)));
    blocks.extend(provenance::mixed(report).map(Block::Text));
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

/// The spike's table, measured beside claimed, and how to read it.
fn comparison(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for group in &report.groups {
        blocks.push(Block::Heading(3, table::title(report, group)));
        blocks.push(Block::Table(table::comparison(report, group)));
    }
    if images(report) != Images::Own {
        blocks.push(Block::Text(provenance::not_judged(report)));
    }
    blocks.push(Block::List(details::reading(report)));
    blocks
}

/// What a terminal shows: the answer, the comparison, the verdicts, the spike's statements, what failed.
pub fn summary(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(1, provenance::title(report))];
    blocks.extend(answer::blocks(report));
    blocks.push(Block::Text(provenance::progress(report)));
    blocks.extend(provenance::mixed(report).map(Block::Text));
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
    blocks.push(Block::Text(provenance::progress(report)));
    blocks.extend(provenance::mixed(report).map(Block::Text));
    blocks.push(Block::Text(provenance::simulated(report)));
    if images(report) != Images::Own {
        blocks.push(Block::Text(provenance::not_judged(report)));
    }
    for run in &report.runs {
        blocks.push(provenance::to_repeat(report, run));
    }
    blocks
}
