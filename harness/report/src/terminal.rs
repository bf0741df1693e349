//! Blocks for a terminal: tables that fit the width, paragraphs wrapped to it.

use comfy_table::LineStyle;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width};
use handoff_model::shell::escaped;

use crate::block::Block;
use crate::grid::{Cell as Content, Grid, Tone};

/// Least width that is used, however narrow the terminal is.
const NARROWEST: u16 = 40;

pub(crate) fn render(blocks: &[Block], width: u16, color: bool) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    for block in blocks.iter().filter(|b| !matches!(b, Block::Chart(_) | Block::Contents(_))) {
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Chart(_) | Block::Contents(_) => {}
            Block::Heading(_, text) => line(&mut out, &clean(text), color),
            Block::Lead(text) | Block::Text(text) => wrap(&mut out, &clean(text), "", width),
            Block::List(items) => {
                for item in items {
                    wrap(&mut out, &clean(item), "- ", width);
                }
            }
            Block::Table(grid) => {
                if !grid.caption.is_empty() {
                    wrap(&mut out, &clean(&grid.caption), "", width);
                }
                table(&mut out, grid, width, color);
            }
            // Not wrapped, so that it can be copied.
            Block::Command(text) => line(&mut out, &escaped(text), false),
            Block::Drawing(text) => text.lines().for_each(|text| line(&mut out, &clean(text), false)),
        }
    }
    out
}

fn line(out: &mut String, text: &str, bold: bool) {
    let (on, off) = if bold { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    for piece in [on, text, off, "\n"] {
        out.push_str(piece);
    }
}

/// Table, split into several with the same first column where it is too wide.
fn table(out: &mut String, grid: &Grid, width: u16, color: bool) {
    let needs: Vec<usize> = (0..grid.columns.len()).map(|i| need(grid, i, usize::from(width))).collect();
    for (i, columns) in split(&needs, usize::from(width)).into_iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        part(out, grid, &columns, &needs, width, color);
    }
}

/// Letters that a column needs, so that no number and no word that fits is broken.
fn need(grid: &Grid, column: usize, width: usize) -> usize {
    let (name, numbers) = &grid.columns[column];
    let word = |text: &str| text.split(' ').map(|w| w.chars().count()).max().unwrap_or(0);
    let cells = || grid.rows.iter().map(|row| row[column].text.as_str());
    let whole = cells().map(|text| text.chars().count()).max().unwrap_or(0);
    let longest = cells().chain([name.as_str()]).map(word).max().unwrap_or(0);
    let wanted = if *numbers || column == 0 { whole.max(word(name)) } else { longest.max(whole.min(18)) };
    wanted.min(width / 2 - PADDING)
}

/// Blanks around a column and between two columns.
const PADDING: usize = 3;

/// Packs the columns into tables that fit, each with the first column.
fn split(needs: &[usize], width: usize) -> Vec<Vec<usize>> {
    let first = needs.first().map_or(0, |n| n + PADDING);
    let mut tables: Vec<Vec<usize>> = vec![vec![0]];
    let mut used = first;
    for (i, need) in needs.iter().enumerate().skip(1) {
        if used + need + PADDING > width && tables.last().is_some_and(|t| t.len() > 1) {
            tables.push(vec![0]);
            used = first;
        }
        used += need + PADDING;
        if let Some(table) = tables.last_mut() {
            table.push(i);
        }
    }
    tables
}

fn part(out: &mut String, grid: &Grid, columns: &[usize], needs: &[usize], width: u16, color: bool) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(columns.iter().map(|i| Cell::new(&grid.columns[*i].0).add_attribute(Attribute::Bold)));
    for row in &grid.rows {
        let cell = |i: &usize| {
            let Content { text, tone, .. } = &row[*i];
            let align = if grid.columns[*i].1 { CellAlignment::Right } else { CellAlignment::Left };
            let cell = Cell::new(clean(text)).set_alignment(align);
            match tone {
                Tone::Bad => cell.fg(Color::Red),
                Tone::Good => cell.fg(Color::Green),
                Tone::Plain | Tone::Same | Tone::Open => cell,
            }
        };
        table.add_row(columns.iter().map(cell).collect::<Vec<_>>());
    }
    let lower = |i: &usize| ColumnConstraint::LowerBoundary(Width::Fixed((needs[*i] + PADDING - 1) as u16));
    table.set_constraints(columns.iter().map(lower));
    out.push_str(&table.trim_fmt());
    out.push('\n');
}

/// Text without control characters, which an error message may hold, and without Markdown's marks.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '`').collect()
}

fn wrap(out: &mut String, text: &str, bullet: &str, width: u16) {
    let mut column = 0;
    let indent = " ".repeat(bullet.len());
    for word in text.split(' ') {
        let letters = word.chars().count();
        if column == 0 {
            out.push_str(bullet);
            column = bullet.len();
        } else if column + 1 + letters > usize::from(width) {
            out.push('\n');
            out.push_str(&indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += letters;
    }
    out.push('\n');
}
