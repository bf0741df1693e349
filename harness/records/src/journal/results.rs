//! A results folder, read for reporting.

use std::path::{Path, PathBuf};

use handoff_model::{Environment, Plan};

use super::Result;
use super::finding::{Finding, Weight};
use super::load::{LoadMode, load};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// Everything that a run has recorded. Rows of failed trials are among the others.
#[derive(Debug, Clone)]
pub struct Results {
    /// Name of the run: that of its folder, unless its reader gives another.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// Plan of the run.
    pub plan: Plan,
    /// The machines and programs used.
    pub environments: Vec<Environment>,
    /// One row a trial, in the order in which they ended.
    pub measurements: Vec<MeasurementRow>,
    /// One row a consumer.
    pub consumers: Vec<ConsumerRow>,
    /// One row a span.
    pub spans: Vec<SpanRow>,
    /// Warnings about rows that were set aside, and notes, one line each: `FILE:LINES: text`.
    pub warnings: Vec<String>,
    /// Number of warnings that no crash explains: rows are there that cannot be used.
    pub damaged: usize,
    /// The trials of the plan whose rows cannot be used: they have run, but nothing is known of them.
    pub set_aside: Vec<String>,
}

impl Results {
    /// Reads a folder without changing anything in it; a run that is under way or was cut off reads too.
    ///
    /// # Errors
    /// A folder without a run, a file that is missing, that was changed as a whole or that this version cannot read. Single
    /// rows that cannot be used are set aside, and [`Results::warnings`] names them.
    pub fn read(dir: &Path) -> Result<Self> {
        let loaded = load(dir, LoadMode::Report)?;
        let unexplained = |f: &&Finding| matches!(f.weight, Weight::Damage | Weight::Orphan);
        Ok(Self {
            name: run_name(dir),
            dir: dir.to_owned(),
            plan: loaded.plan,
            environments: loaded.environments,
            set_aside: loaded.set_aside,
            measurements: loaded.rows.measurements.rows,
            consumers: loaded.rows.consumers.rows,
            spans: loaded.rows.spans.rows,
            warnings: loaded.findings.texts(),
            damaged: loaded.findings.iter().filter(unexplained).count(),
        })
    }
}

/// The folder's name: what its run is called.
pub fn run_name(dir: &Path) -> String {
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    full.file_name().map_or_else(|| dir.display().to_string(), |n| n.to_string_lossy().into_owned())
}
