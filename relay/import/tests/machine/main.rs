//! Generated stacks of layers against containerd's own unpacking. Needs root and `make setup`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

#[path = "../common/mod.rs"]
mod common;
mod containerd;
mod dialects;
mod fuzz;
mod stacks;
