//! Generated stacks of layers against containerd's own unpacking. Needs root and `make setup`.

#[path = "../common/mod.rs"]
mod common;
mod containerd;
mod stacks;
