//! Tables of a report.

use handoff_analysis::Verdict;

use crate::plot::palette::{Look, look};
use crate::report::Line;

/// Meaning of a cell beside its text; colour never is the only sign of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// None.
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

impl Tone {
    /// Tone of a verdict.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Faster => Self::Good,
            Verdict::Slower => Self::Bad,
            Verdict::Equivalent => Self::Same,
            Verdict::Inconclusive(_) => Self::Open,
        }
    }
}

/// Cell of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// Text.
    pub text: String,
    /// Meaning beside the text.
    pub tone: Tone,
    /// Marker of the strategy that the text names.
    pub(crate) look: Option<Look>,
}

impl Cell {
    /// Text with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone, look: None }
    }

    /// Name of a strategy, with its marker.
    pub(crate) fn strategy(line: &Line) -> Self {
        Self::marked(&line.name, look(line.look, line.plain))
    }

    /// Text with a strategy's marker.
    pub(crate) fn marked(text: &str, look: Look) -> Self {
        Self { text: text.to_owned(), tone: Tone::Plain, look: Some(look) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Table; its first column is text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grid {
    /// Headings with units, and whether the column holds numbers.
    pub columns: Vec<(String, bool)>,
    /// Cells; each row is as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// Caption of a table that fits every screen; empty for tables that may be wider.
    pub caption: String,
}

impl Grid {
    /// Table without rows. ` | ` separates columns; a colon after a name marks a column of numbers, as in Markdown.
    pub(crate) fn new(columns: &str) -> Self {
        let column = |text: &str| {
            let numbers = text.strip_suffix(':');
            (numbers.unwrap_or(text).to_owned(), numbers.is_some())
        };
        Self { columns: columns.split(" | ").map(column).collect(), ..Self::default() }
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

    /// Adds the row of a strategy: its name with its marker, then other cells.
    pub(crate) fn push_line<C: Into<Cell>>(&mut self, line: &Line, rest: impl IntoIterator<Item = C>) {
        self.push([Cell::strategy(line)].into_iter().chain(rest.into_iter().map(Into::into)));
    }
}
