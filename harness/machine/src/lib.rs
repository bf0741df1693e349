//! Facts of this machine: its description, and CPU, memory, disk and pressure while a job runs.
//!
//! Local trials and jobs on GitHub read the same facts, from `/proc` and the file system.

mod counters;
pub mod disk_speed;
mod environment;
mod error;
pub mod proc;
mod room;
pub mod writeback;

pub use counters::{Sampler, between};
pub use environment::{Revision, describe};
pub use error::FileError;
pub use proc::{available_memory, load_1m, machine_cpu_ns, pressure_ns};
pub use room::free_bytes;
