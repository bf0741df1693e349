//! Tests that need neither root nor an engine.

#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod layer;
mod stacks;
