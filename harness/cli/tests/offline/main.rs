//! The `handoff` binary without an engine: command lines, plans, results folders, reports, and GitHub behind a fake of its API.
//!
//! Needs neither root nor Docker nor Node nor a network: `make check` runs these tests. Those that need more are in the target `machine`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod bad_input;
mod damage;
mod facts;
mod github_api;
mod github_cli;
mod matrix;
mod messages;
mod provenance;
mod recommend;
mod report;
mod serve;
mod spike_page;
#[path = "../support/mod.rs"]
mod support;
mod user_image;
mod verdicts;
mod writing;
