//! The results folder: its files, their versions, the writer that survives a crash, and the reader.
//!
//! The contract between those who measure (`harness/runner`, `harness/github`) and those who read (`harness/analysis`,
//! `harness/report`). [`rows`] are the types on the wire, one a CSV file; [`join`] makes a row of what the jobs of a trial
//! report, for local trials and for those on GitHub; [`journal`] appends, resumes and reads. `docs/format.md` documents the
//! files.

pub mod join;
pub mod journal;
mod own_size;
mod plan;
pub mod rows;

pub use journal::{
    ENVIRONMENTS, Journal, JournalError, LOGS, PLAN, Results, columns, difference, read_plan, same_sources,
};
pub use own_size::name_measured_size;
pub use rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};
