//! What a run measured, as text: bytes out, no clock, no files, no terminal.
//!
//! A [`Report`] is made once from one or several runs; [`terminal`], [`markdown`] and [`readme_block`] lay out the same
//! [`document`](document::document), so that no two of them can say different things.

pub mod document;
pub mod report;

mod details;
mod format;
mod markdown;
mod provenance;
mod table;
mod terminal;

pub use report::{Report, ReportError, Run};

use document::document;

/// The report for a terminal `width` columns wide. `color` is the caller's decision (`NO_COLOR`, no terminal).
pub fn terminal(report: &Report, width: u16, color: bool) -> String {
    terminal::render(&document(report), width, color)
}

/// The report as Markdown: the content of `report.md`.
pub fn markdown(report: &Report) -> String {
    markdown::render(&document(report))
}

/// What stands in a README between its markers: the comparison, what was simulated, and where the rest is.
pub fn readme_block(report: &Report) -> String {
    markdown::render(&document::short(report))
}
