//! Everything that talks to GitHub: its REST API, runs that are started and collected, and the jobs' side of a trial.
//!
//! From outside: [`inputs`] are what a run is asked for, [`remote`] starts it and [`watch`] follows it by means of [`rest`]; [`collect`]
//! fetches what it has left and writes the rows that [`rows`] makes, in the same form as a local run. From inside: [`planned`] makes the
//! workflow's matrix of [`cell`]s, [`job`] is what a trial's jobs call, [`stored`] removes what a cell has stored, and [`calibration`]
//! measures a runner's link. The workflows themselves are texts, in `workflows`.

pub mod calibration;
pub mod cell;
pub mod collect;
mod error;
pub mod inputs;
pub mod job;
pub mod planned;
pub mod remote;
pub mod rest;
pub mod rows;
pub mod stored;
mod waits;
pub mod watch;

pub use error::{GithubError, Result};
