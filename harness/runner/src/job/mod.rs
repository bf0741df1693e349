//! The inside of a job: the process that is first in the job's namespaces. It owns the engine, runs one side and
//! reports; it knows nothing of the runner but the lines of [`crate::protocol`].

mod container;
mod inside;

pub use inside::run;
