//! Blocks as Markdown. Text from rows is escaped: an error message must not become markup.

use std::fmt::Write as _;

use crate::document::{Block, Grid};

pub(crate) fn render(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Heading(level, text) => {
                out.push_str(&"#".repeat(usize::from(*level)));
                out.push(' ');
                out.push_str(&plain(text));
                out.push('\n');
            }
            Block::Lead(text) | Block::Text(text) => {
                out.push_str(&plain(text));
                out.push('\n');
            }
            Block::List(items) => {
                for item in items {
                    out.push_str("- ");
                    out.push_str(&plain(item));
                    out.push('\n');
                }
            }
            Block::Table(grid) => table(&mut out, grid),
            Block::Figure(figure) => {
                let _ = writeln!(
                    out,
                    "Chart: [{0}](plots/{1}.svg) ([PNG](plots/{1}.png))",
                    plain(&figure.title),
                    figure.name
                );
            }
            Block::Command(text) => {
                out.push_str("```sh\n");
                out.push_str(text);
                out.push_str("\n```\n");
            }
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
