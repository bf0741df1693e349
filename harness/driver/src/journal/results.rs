//! A results folder, read for reporting.

use std::path::{Path, PathBuf};

use handoff_model::rows::{ConsumerRow, MeasurementRow, SpanRow};
use handoff_model::{Environment, Plan};

use super::Result;
use super::load::{Purpose, load};

/// Everything that a run has recorded. Rows of failed trials are among the others.
#[derive(Debug, Clone)]
pub struct Results {
    /// The folder.
    pub dir: PathBuf,
    /// What was to be run.
    pub plan: Plan,
    /// The machines and programs used.
    pub environments: Vec<Environment>,
    /// One row a trial, in the order in which they ended.
    pub measurements: Vec<MeasurementRow>,
    /// One row a consumer.
    pub consumers: Vec<ConsumerRow>,
    /// One row a span.
    pub spans: Vec<SpanRow>,
    /// What was left out, and why, one line each.
    pub warnings: Vec<String>,
}

impl Results {
    /// Reads a folder without changing anything in it; a run that is under way or was cut off reads too.
    ///
    /// # Errors
    /// As [`Journal::open`](super::Journal::open), except that what a newer schema version has added is left out with
    /// a warning.
    pub fn read(dir: &Path) -> Result<Self> {
        let loaded = load(dir, Purpose::Report)?;
        Ok(Self {
            dir: dir.to_owned(),
            plan: loaded.plan,
            environments: loaded.environments,
            measurements: loaded.measurements.rows,
            consumers: loaded.consumers.rows,
            spans: loaded.spans.rows,
            warnings: loaded.notes,
        })
    }
}
