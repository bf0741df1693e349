//! Builds by buildx: the option that pushes to a registry on loopback, and the trace of `BuildKit` as spans.
//!
//! The strategies and relay's own program read a build by the same code, so that nothing is measured differently.

mod push;
pub mod trace;

pub use push::{PUSH_LEVEL, push_output};
