//! Tables of a report.

use crate::plot::palette::{Look, look};
use crate::report::Line;

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
        Self::marked(&line.name, look(line.look, line.plain))
    }

    /// A text with a strategy's marker.
    pub(crate) fn marked(text: &str, look: Look) -> Self {
        Self { text: text.to_owned(), tone: Tone::Plain, look: Some(look) }
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
    /// A table without rows. ` | ` separates its columns; a colon after a name makes a column of numbers, as in Markdown.
    pub(crate) fn new(columns: &str) -> Self {
        let column = |text: &str| {
            let numbers = text.strip_suffix(':');
            (numbers.unwrap_or(text).to_owned(), numbers.is_some())
        };
        Self { columns: columns.split(" | ").map(column).collect(), rows: Vec::new() }
    }

    /// Adds a column of numbers for each name.
    pub(crate) fn with_numbers(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.columns.extend(names.into_iter().map(|name| (name, true)));
        self
    }

    /// Adds a row.
    pub(crate) fn push<C: Into<Cell>>(&mut self, row: impl IntoIterator<Item = C>) {
        let row: Vec<Cell> = row.into_iter().map(Into::into).collect();
        debug_assert_eq!(row.len(), self.columns.len(), "{:?}", self.columns);
        self.rows.push(row);
    }

    /// Adds the row of a strategy: its name with its marker, then these cells.
    pub(crate) fn push_line<C: Into<Cell>>(&mut self, line: &Line, rest: impl IntoIterator<Item = C>) {
        self.push([Cell::strategy(line)].into_iter().chain(rest.into_iter().map(Into::into)));
    }
}
