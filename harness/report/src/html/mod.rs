//! Blocks as one HTML file without scripts, which loads nothing: light and dark, for screens, phones and paper.

mod chart;
mod text;

use std::collections::HashMap;
use std::fmt::Write as _;

use text::{escape, rich};

use crate::block::Block;
use crate::grid::{Cell, Grid, Tone};
use crate::plot::Look;

const STYLE: &str = include_str!("style.css");

pub(crate) fn render(blocks: &[Block]) -> String {
    let mut page = Page::default();
    for block in blocks {
        page.block(block);
    }
    page.finish()
}

/// Page being written.
#[derive(Default)]
struct Page {
    title: String,
    /// First screen: everything before the first section.
    lead: String,
    body: String,
    /// Anchor and text of every section.
    contents: Vec<(String, String)>,
    /// Headings above the current block, from the section's on; they name tables.
    headings: Vec<String>,
    /// Names of regions so far, so that each is unique.
    names: HashMap<String, u32>,
    in_section: bool,
}

impl Page {
    fn out(&mut self) -> &mut String {
        if self.in_section { &mut self.body } else { &mut self.lead }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading(1, text) => self.title.clone_from(text),
            Block::Heading(2, text) => self.section(text),
            Block::Heading(level, text) => {
                // A level left out would mislead readers who jump from heading to heading.
                let depth = usize::from(*level).saturating_sub(2).min(self.headings.len());
                self.headings.truncate(depth);
                self.headings.push(text.clone());
                let level = depth + 2;
                let _ = writeln!(self.out(), "<h{level}>{}</h{level}>", rich(text));
            }
            Block::Lead(text) => {
                let _ = writeln!(self.out(), "<p class=\"lead\">{}</p>", rich(text));
            }
            Block::Text(text) => {
                let _ = writeln!(self.out(), "<p>{}</p>", rich(text));
            }
            Block::List(items) => {
                let items = items.iter().fold(String::new(), |all, item| all + "<li>" + &rich(item) + "</li>\n");
                let _ = writeln!(self.out(), "<ul>\n{items}</ul>");
            }
            Block::Table(grid) => {
                let name = self.name("Table");
                let table = table(grid, &name);
                self.out().push_str(&table);
            }
            Block::Command(text) => {
                let (name, text) = (escape(&self.name("Command")), escape(text));
                let _ = writeln!(
                    self.out(),
                    "<pre tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><code>{text}</code></pre>"
                );
            }
            Block::Drawing(text) => {
                let (name, text) = (escape(&self.name("Picture")), escape(text));
                let _ = writeln!(
                    self.out(),
                    "<pre class=\"drawing\" tabindex=\"0\" role=\"img\" aria-label=\"{name}\">{text}</pre>"
                );
            }
            // The navigation has them.
            Block::Contents(_) => {}
            Block::Chart(chart) => {
                let drawn = chart::render(chart);
                self.out().push_str(&drawn);
            }
        }
    }

    /// Unique name of a region, from the headings above it.
    fn name(&mut self, what: &str) -> String {
        let name = format!("{what}: {}", self.headings.join(", ").replace('`', ""));
        let times = self.names.entry(name.clone()).or_insert(0);
        *times += 1;
        if *times == 1 { name } else { format!("{name} ({times})") }
    }

    fn section(&mut self, heading: &str) {
        let id = self.anchor(heading);
        if self.in_section {
            self.body.push_str("</section>\n");
        }
        self.in_section = true;
        self.headings = vec![heading.to_owned()];
        let _ = writeln!(self.body, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>", rich(heading));
        self.contents.push((id, heading.to_owned()));
    }

    fn anchor(&self, heading: &str) -> String {
        let letters = heading.to_lowercase();
        let words: Vec<&str> = letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let base = words.join("-");
        let taken = |id: &str| self.contents.iter().any(|(other, _)| other == id);
        // One more candidate than there are sections: one of them is free.
        let candidates = (2..=self.contents.len() + 2).map(|i| format!("{base}-{i}"));
        std::iter::once(base.clone()).chain(candidates).find(|id| !taken(id)).unwrap_or(base)
    }

    fn finish(mut self) -> String {
        if self.in_section {
            self.body.push_str("</section>\n");
        }
        let contents = self
            .contents
            .iter()
            .fold(String::new(), |all, (id, text)| all + &format!("<li><a href=\"#{id}\">{}</a></li>\n", rich(text)));
        let title = escape(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">To the report</a>\n\
             <header>\n<p class=\"kicker\">Handoff</p>\n<h1>{title}</h1>\n</header>\n\
             <main id=\"main\">\n<div class=\"first\">\n{}</div>\n\
             <nav aria-label=\"Contents\">\n<ul>\n{contents}</ul>\n</nav>\n\
             <div class=\"rest\">\n{}</div>\n</main>\n\
             <footer><p>Written by <code>handoff report</code> from the rows of the runs named above. \
             This page has no script and loads nothing.</p></footer>\n</body>\n</html>\n",
            self.lead, self.body
        )
    }
}

/// Table that fits the page, if it has a caption; else a table in a box that scrolls, by the keyboard too.
pub(super) fn table(grid: &Grid, name: &str) -> String {
    let (mut out, end) = if grid.caption.is_empty() {
        let name = escape(name);
        let open = format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\">\n<table>\n");
        (open, "</table>\n</div>\n")
    } else {
        (format!("<table class=\"fit\">\n<caption>{}</caption>\n", rich(&grid.caption)), "</table>\n")
    };
    if grid.columns.iter().any(|(text, _)| !text.is_empty()) {
        out.push_str("<thead><tr>");
        for (text, numbers) in &grid.columns {
            let class = if *numbers { " class=\"n\"" } else { "" };
            if text.is_empty() {
                out.push_str("<td></td>");
            } else {
                let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", rich(text));
            }
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in &grid.rows {
        out.push_str("<tr>");
        for (i, (cell, (_, numbers))) in row.iter().zip(&grid.columns).enumerate() {
            out.push_str(&table_cell(cell, i == 0, *numbers, !grid.caption.is_empty()));
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody>\n" + end
}

fn table_cell(cell: &Cell, first: bool, numbers: bool, fits: bool) -> String {
    let tone = match cell.tone {
        Tone::Plain => None,
        Tone::Good => Some("good"),
        Tone::Bad => Some("bad"),
        Tone::Same => Some("same"),
        Tone::Open => Some("open"),
    };
    let classes: Vec<&str> = numbers.then_some("n").into_iter().chain(tone).collect();
    let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
    // Screen readers pass over the marker, because the name says the same.
    let mark = cell.look.map(Look::symbol).unwrap_or_default();
    let mut text = rich(&cell.text);
    if fits && numbers {
        // A range stays on one line where a column is narrow.
        text = text.replace('[', "<span class=\"range\">[").replace(']', "]</span>");
    }
    if first { format!("<th scope=\"row\"{class}>{mark}{text}</th>") } else { format!("<td{class}>{mark}{text}</td>") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_rows_is_escaped_and_anchors_are_unique() {
        let grid = Grid {
            columns: vec![("a <b>".into(), false)],
            rows: vec![vec!["<script>x</script>".into()]],
            ..Grid::default()
        };
        let page = render(&[
            Block::Heading(1, "T & U".into()),
            Block::Heading(2, "Same".into()),
            Block::Table(grid),
            Block::Heading(2, "Same".into()),
            Block::Command("a < b".into()),
        ]);
        assert!(!page.contains("<script") && page.contains("&lt;script>x") && page.contains("T &amp; U"), "{page}");
        assert!(page.contains("id=\"same\"") && page.contains("href=\"#same-2\""), "{page}");
        assert!(page.contains("a &lt; b"), "{page}");
        assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
    }
}
