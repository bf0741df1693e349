//! The inside of a job: the process that is first in the job's namespaces. It owns the engine, runs one side and
//! reports; it knows nothing of the driver but the lines of [`crate::protocol`].

mod container;
mod counters;
mod disk_speed;
mod inside;

pub use counters::{between, field_kib, load_1m, machine_cpu_ns, pressure_ns};
pub use inside::run;
