//! A Docker engine for one job.
//!
//! A private engine is a containerd and a dockerd of the job's own, in a process and a mount namespace of the job's own
//! ([`namespace`]): when the job's first process ends, for whatever reason, the kernel ends all the others and takes the
//! mounts away. What is left is files below one folder and empty cgroups of one name, which [`leftovers`] removes.
//!
//! The rejected way was to start the daemons in the machine's own namespaces and to clean up after them: a kill -9 at the
//! wrong moment then leaves shims, containers and mounts behind.

pub mod builder;
pub mod buildkit;
mod error;
pub mod identity;
pub mod leftovers;
pub mod namespace;
mod private;
pub mod programs;
mod tarball;

pub use error::EngineError;
pub use private::{Engine, EngineConfig};
pub use programs::Programs;
