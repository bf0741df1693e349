//! The driver: runs a plan, one trial after the other, each side in a job of its own, and journals what was measured.
//!
//! A run goes straight down: [`run`] takes the trials that the [`journal`] does not hold, [`trial`] runs one of them,
//! [`remote`] speaks with its jobs, [`job`] is what runs inside one. [`workspace`] sees to it that nothing is left.

mod cancel;
mod daemon;
pub mod environment;
mod error;
pub mod estimate;
pub mod github;
pub mod job;
pub mod journal;
pub mod needs;
mod preflight;
pub mod protocol;
pub mod remote;
mod rows;
pub mod run;
pub mod settle;
pub mod tools;
pub mod trial;
pub mod user_daemon;
pub mod workspace;

pub use cancel::Cancel;
pub use error::DriverError;
pub use run::{Progress, RunConfig, Summary, run};
