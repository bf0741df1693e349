//! Process of a job, the first in its namespaces: owns the engine, runs one role and reports. It talks to the runner only
//! by the lines of [`crate::protocol`].

mod container;
mod inside;

pub use inside::run;
