//! The service over real sockets, by hand-written HTTP for every rule. The npm clients are in `machine`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may fail as tests do")]

mod artifacts;
mod auth;
mod blobs;
mod caches;
mod control;
mod counting;
mod faults;
mod lifetimes;
mod memory;
mod profiles;
mod support;
mod wire;
