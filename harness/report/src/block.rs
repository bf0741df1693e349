//! Pieces of a report.

use crate::grid::Grid;
use crate::plot::Chart;

/// Piece of a report.
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
    /// Names of all sections.
    Contents(Vec<String>),
    /// Command to type.
    Command(String),
    /// Picture made of letters.
    Drawing(String),
    /// A chart.
    Chart(Box<Chart>),
}
