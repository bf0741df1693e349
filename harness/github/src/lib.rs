//! Runs on GitHub: the REST API, dispatch and collection of runs, and the commands that their jobs call.
//!
//! On the user's machine, [`remote`] starts a run with its [`inputs`] and [`watch`] follows it by means of [`rest`].
//! [`collect`] downloads the run's files, and [`rows`] makes rows of them in the format of a local run.
//!
//! On GitHub, [`planned`] makes the workflow's matrix of [`cell`]s, and a trial's jobs call [`job`]. [`stored`] removes a
//! cell's artifacts and cache entries, and [`calibration`] measures a runner's link. `workflows` has the workflow files.

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
pub mod timeouts;
mod waits;
pub mod watch;

pub use error::{GithubError, Result};
