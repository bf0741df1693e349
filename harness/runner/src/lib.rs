//! Runner of a plan: one trial after the other, each role in a job of its own namespaces.
//!
//! [`run()`] takes the trials that the results folder lacks, [`trial`] runs one of them, [`remote`] sends requests to its
//! jobs, and [`job`] is the process of a job. [`workspace`] removes everything that a run leaves.

mod cancel;
mod daemon;
mod disk_check;
mod environment;
mod error;
pub mod job;
pub mod needs;
mod preflight;
pub mod protocol;
pub mod remote;
pub mod run;
pub mod timeouts;
pub mod tools;
pub mod trial;
pub mod user_daemon;
pub mod workspace;

pub use cancel::Cancel;
pub use disk_check::DiskChecker;
pub use error::RunError;
pub use needs::estimate;
pub use run::{Progress, RunConfig, Summary, run};
