//! The `handoff` binary from end to end: real engines, real clients, small images.
//!
//! Needs root and what `make setup` provides; a test that lacks something fails and says so.

mod bad_input;
mod crash;
mod host;
mod kit;
mod run;
