//! Reports of runs as text and charts, without a clock, files or a terminal.
//!
//! A [`Report`] is made once from one or several runs. [`terminal()`], [`markdown()`] and [`html()`] lay out the same
//! [`document`](document::document).

pub mod document;
pub mod report;

mod block;
mod charts;
mod details;
mod factors;
mod format;
mod grid;
mod html;
mod markdown;
mod plot;
mod provenance;
mod readme;
mod repeat;
mod sections;
mod spike;
mod table;
mod terminal;
mod trace;

pub use trace::chrome_trace;

pub use report::{Link, Report, ReportError};

pub use markdown::EMBEDDED;

pub use plot::Chart;

pub use readme::{README_CHARTS, Readme, readme};

pub use spike::spike_page;

use block::Block;
use document::document;

/// Report for a terminal `width` columns wide; `color` is the caller's choice.
pub fn terminal(report: &Report, width: u16, color: bool) -> String {
    terminal::render(&document::summary(report), width, color)
}

/// Report as Markdown: the content of `report.md`.
pub fn markdown(report: &Report) -> String {
    markdown::fitting(&document(report))
}

/// Report as one HTML file: the content of `report.html`.
pub fn html(report: &Report) -> String {
    html::render(&document(report))
}

/// Charts of the report.
pub fn charts(report: &Report) -> Vec<Chart> {
    document(report).into_iter().filter_map(|b| if let Block::Chart(f) = b { Some(*f) } else { None }).collect()
}
