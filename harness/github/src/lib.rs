//! All that talks to GitHub: its REST API, runs that are started and collected, and what a trial's jobs do there.
//!
//! [`calibration`] measures a runner's link; [`rest`] speaks HTTP; [`remote`] starts runs and follows them; [`stored`] removes what a cell has stored; [`side`] is the
//! jobs' side of a trial, whose files it joins to the rows that a local run writes. The workflows themselves are texts, in
//! `workflows`.

pub mod calibration;
mod error;
pub mod remote;
pub mod rest;
pub mod side;
pub mod stored;

pub use error::GithubError;
