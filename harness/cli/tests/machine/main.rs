//! The `handoff` binary from end to end: real engines, real clients, small images.
//!
//! Needs root and what `make setup` provides; a test that lacks something fails and says so. Tests that need neither are in `offline`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod act;
mod builder;
mod cache_options;
mod crash;
mod daemon;
mod full_disk;
mod host;
mod host_daemon;
mod image;
mod kit;
mod linters;
mod matrix;
mod relay;
mod relay_clients;
mod relay_ends;
mod relay_faults;
mod relay_memory;
mod run;
mod states;
mod stepless;
#[path = "../support/mod.rs"]
mod support;
mod user_image;
