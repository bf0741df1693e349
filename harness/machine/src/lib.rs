//! What the machine tells of itself: its description, and CPU, memory, disk and pressure while something runs on it.
//!
//! Read from `/proc` and from the file system, for local trials and for jobs on GitHub.

mod counters;
pub mod disk_speed;
mod environment;
mod error;
mod room;
pub mod writeback;

pub use counters::{Sampler, between, field_kib, load_1m, machine_cpu_ns, pressure_ns};
pub use environment::{Revision, available_memory, describe};
pub use error::MachineError;
pub use room::free_bytes;
