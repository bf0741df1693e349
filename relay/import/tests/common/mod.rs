//! Layers for tests: as items, as archives, as a model in memory and as a tree on disk.
#![allow(dead_code, reason = "each test target uses a part")]

pub mod archive;
pub mod disk;
pub mod model;
pub mod stacks;
