//! Tests that need neither root nor an engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

#[path = "../common/mod.rs"]
mod common;
mod fuzz;
mod hostile;
mod layer;
mod stacks;
mod times;
