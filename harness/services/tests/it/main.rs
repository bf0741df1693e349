//! The service over real sockets: by hand-written HTTP for every rule of the wire, and by the real npm clients.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may fail as tests do")]

mod artifacts;
mod auth;
mod blobs;
mod caches;
mod control;
mod counting;
mod faults;
mod memory;
mod npm;
mod profiles;
mod support;
mod wire;
