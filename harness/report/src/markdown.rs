//! Blocks as Markdown. Text from rows is escaped: an error message must not become markup.

use std::fmt::Write as _;

use crate::block::Block;
use crate::grid::Grid;

/// The most that a summary of a GitHub job holds, in bytes.
const MOST: usize = 1 << 20;

/// The whole report, so that it fits a job's summary: where it would not, the largest tables are left out, and that is
/// said in their place.
pub(crate) fn fitting(blocks: &[Block]) -> String {
    let mut pieces: Vec<(String, Option<usize>)> = blocks.iter().map(|b| (block(b), rows(b))).collect();
    loop {
        let total: usize = pieces.iter().map(|(text, _)| text.len() + 1).sum();
        if total <= MOST {
            break;
        }
        let tables = pieces.iter_mut().filter(|(_, rows)| rows.is_some());
        let Some((text, rows)) = tables.max_by_key(|(text, _)| text.len()) else { break };
        let count = rows.take().unwrap_or(0);
        *text = format!("A table of {count} rows is left out so that this fits a job's summary; report.html has it.\n");
    }
    pieces.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join("\n")
}

fn rows(block: &Block) -> Option<usize> {
    if let Block::Table(grid) = block { Some(grid.rows.len()) } else { None }
}

pub(crate) fn render(blocks: &[Block]) -> String {
    blocks.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn block(block: &Block) -> String {
    let mut out = String::new();
    match block {
        Block::Heading(level, text) => {
            let _ = writeln!(out, "{} {}", "#".repeat(usize::from(*level)), plain(text));
        }
        Block::Lead(text) | Block::Text(text) => {
            let _ = writeln!(out, "{}", plain(text));
        }
        Block::List(items) => {
            for item in items {
                let _ = writeln!(out, "- {}", plain(item));
            }
        }
        Block::Table(grid) => table(&mut out, grid),
        Block::Chart(chart) => {
            let _ =
                writeln!(out, "Chart: [{0}](plots/{1}.svg) ([PNG](plots/{1}.png))", plain(&chart.title), chart.name);
        }
        Block::Command(text) => {
            let _ = writeln!(out, "```sh\n{text}\n```");
        }
        Block::Drawing(text) => {
            let _ = writeln!(out, "```text\n{text}\n```");
        }
    }
    out
}

fn table(out: &mut String, grid: &Grid) {
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        for cell in cells {
            out.push_str("| ");
            out.push_str(&cell);
            out.push(' ');
        }
        out.push_str("|\n");
    };
    line(&mut grid.columns.iter().map(|(name, _)| cell(name)));
    line(&mut grid.columns.iter().map(|(_, numbers)| if *numbers { "---:" } else { "---" }.to_owned()));
    for row in &grid.rows {
        line(&mut row.iter().map(|c| cell(&c.text)));
    }
}

fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

/// Keeps text text: no tags, no line ends.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_rows_stays_text() {
        let grid = Grid { columns: vec![("a".into(), false)], rows: vec![vec!["x | <b>\ny".into()]] };
        assert_eq!(render(&[Block::Table(grid)]), "| a |\n| --- |\n| x \\| &lt;b> y |\n");
    }
}
