//! The `handoff` binary from end to end: real engines, real clients, small images.
//!
//! Needs root and what `make setup` provides; a test that lacks something fails and says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod act;
mod bad_input;
mod builder;
mod cache_options;
mod crash;
mod daemon;
mod damage;
mod facts;
mod github_api;
mod github_cli;
mod host;
mod image;
mod kit;
mod lent;
mod matrix;
mod own;
mod provenance;
mod recommend;
mod relay;
mod relay_clients;
mod relay_ends;
mod relay_faults;
mod relay_memory;
mod report;
mod run;
mod serve;
mod spike_page;
mod states;
mod stepless;
mod verdicts;
mod writing;
