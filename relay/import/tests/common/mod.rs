//! Layers for tests: as items, as archives, as a model in memory and as a tree on disk.
#![allow(dead_code, reason = "each test target uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

pub mod archive;
pub mod disk;
pub mod model;
pub mod mutate;
pub mod stacks;
