//! Blocks as Markdown. Text from rows is escaped, so that no error message becomes markup.

use std::fmt::Write as _;

use crate::block::Block;
use crate::grid::Grid;

/// Most bytes that the summary of a GitHub job holds.
const MOST: usize = 1 << 20;

/// Folder below `plots` of the charts that `report.md` shows.
pub const EMBEDDED: &str = "embedded";

/// Whole report, short enough for a job's summary: a sentence replaces the largest tables where it would be longer.
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
        *text =
            format!("A table of {count} rows is left out so that this fits a job's summary; `report.html` has it.\n");
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
        Block::Chart(chart) if chart.embedded => {
            let [light, dark] = ["", "-dark"].map(|end| format!("plots/{EMBEDDED}/{}{end}.svg", chart.name));
            let _ = writeln!(out, "**{}**\n\n{}", plain(&chart.title), picture(&light, &dark, &chart.title));
            let _ = writeln!(out, "{}", plain(&chart.caption));
        }
        Block::Chart(chart) => {
            let _ = writeln!(out, "Chart: [{}](plots/{}.svg)", plain(&chart.title), chart.name);
        }
        Block::Contents(names) => {
            let links: Vec<String> = names.iter().map(|name| format!("[{}](#{})", plain(name), anchor(name))).collect();
            let _ = writeln!(out, "Sections: {}", links.join(" · "));
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

/// Picture with a light and a dark file, followed by an empty line.
pub(crate) fn picture(light: &str, dark: &str, alternative: &str) -> String {
    let alternative = plain(alternative).replace('"', "&quot;");
    format!(
        "<picture>\n  <source media=\"(prefers-color-scheme: dark)\" srcset=\"{dark}\">\n  \
         <img alt=\"{alternative}\" src=\"{light}\" width=\"800\">\n</picture>\n"
    )
}

/// Anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let kept = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn table(out: &mut String, grid: &Grid) {
    if !grid.caption.is_empty() {
        let _ = writeln!(out, "**{}**\n", plain(&grid.caption));
    }
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

/// Text without tags and line ends.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_rows_is_escaped() {
        let grid =
            Grid { columns: vec![("a".into(), false)], rows: vec![vec!["x | <b>\ny".into()]], ..Grid::default() };
        assert_eq!(render(&[Block::Table(grid)]), "| a |\n| --- |\n| x \\| &lt;b> y |\n");
    }
}
