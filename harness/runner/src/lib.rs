//! The runner: runs a plan, one trial after the other, each side in a job of its own.
//!
//! A run goes straight down: [`run()`] takes the trials that the results folder does not hold, [`trial`] runs one of them,
//! [`remote`] speaks with its jobs, [`job`] is what runs inside one. [`workspace`] sees to it that nothing is left.

mod cancel;
mod daemon;
mod environment;
mod error;
pub mod job;
pub mod needs;
mod preflight;
pub mod protocol;
pub mod remote;
pub mod run;
pub mod tools;
pub mod trial;
pub mod user_daemon;
pub mod workspace;

pub use cancel::Cancel;
pub use error::RunError;
pub use needs::estimate;
pub use run::{Progress, RunConfig, Summary, run};
