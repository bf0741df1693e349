//! Results folder: files, versions, a writer that survives crashes, and a reader.
//!
//! The contract between those who measure (`harness/runner`, `harness/github`) and those who read (`harness/analysis`,
//! `harness/report`). [`rows`] are the types on the wire, one a CSV file; [`join`] makes a row of what the jobs of a trial
//! report, for local trials and for those on GitHub; [`journal`] appends, resumes and reads. `docs/format.md` documents the
//! files.
//!
//! ```
//! use handoff_model::{Plan, PlanRequest, StrategySpec};
//! use handoff_records::{Journal, Results};
//!
//! let plan = Plan::new(PlanRequest::of(vec![StrategySpec::plain("artifact")]))?;
//! let parent = tempfile::tempdir()?;
//! let dir = parent.path().join("run");
//! let journal = Journal::create(&dir, &plan, &[])?;
//! assert_eq!(journal.remaining().count(), 3);
//! assert!(Results::read(&dir)?.measurements.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod join;
pub mod journal;
mod measured_size;
pub mod rows;

pub use journal::{
    ENVIRONMENTS, Journal, JournalError, LOGS, PLAN, Results, columns, difference, read_plan, run_name, same_sources,
};
pub use measured_size::name_measured_size;
pub use rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};
