//! What a run measured, as text: bytes out, no clock, no files, no terminal.
//!
//! A [`Report`] is made once from one or several runs; [`terminal`], [`markdown`] and [`readme_block`] lay out the same
//! [`document`](document::document), so that no two of them can say different things.

pub mod document;
pub mod report;

mod block;
mod charts;
mod details;
mod format;
mod grid;
mod html;
mod markdown;
mod plot;
mod provenance;
mod sections;
mod spike;
mod table;
mod terminal;
mod trace;

pub use trace::chrome_trace;

pub use report::{Link, Report, ReportError, Run};

pub use plot::Chart;

pub use spike::spike_page;

use block::Block;
use document::document;

/// The report for a terminal `width` columns wide. `color` is the caller's decision (`NO_COLOR`, no terminal).
pub fn terminal(report: &Report, width: u16, color: bool) -> String {
    terminal::render(&document::summary(report), width, color)
}

/// The report as Markdown: the content of `report.md`.
pub fn markdown(report: &Report) -> String {
    markdown::fitting(&document(report))
}

/// The report as one HTML file: the content of `report.html`.
pub fn html(report: &Report) -> String {
    html::render(&document(report))
}

/// The charts of the report.
pub fn charts(report: &Report) -> Vec<Chart> {
    document(report).into_iter().filter_map(|b| if let Block::Chart(f) = b { Some(*f) } else { None }).collect()
}

/// What stands in a README between its markers: the comparison, what was simulated, and where the rest is.
pub fn readme_block(report: &Report) -> String {
    markdown::render(&document::short(report))
}
