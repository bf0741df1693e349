//! A Docker engine for one job.
//!
//! A private engine is a containerd and a dockerd of the job's own, in a process and a mount namespace of the job's own
//! ([`namespace`]): when the job's first process ends, for whatever reason, the kernel ends all the others and takes the
//! mounts away. What is left is files below one folder and empty cgroups of one name, which [`leftovers`] removes.
//!
//! Two more kinds use the user's daemon ([`user`]): an engine in a privileged container of it, and the daemon itself. What
//! they make in it is written down by name before it exists, and removed by those names.
//!
//! The rejected way was to start the daemons in the machine's own namespaces and to clean up after them: a kill -9 at the
//! wrong moment then leaves shims, containers and mounts behind.

mod api;
pub mod builder;
pub mod buildkit;
pub mod bundle;
mod config;
mod container;
pub mod disk;
mod engine;
mod error;
mod host;
pub mod identity;
pub mod leftovers;
mod names;
pub mod namespace;
mod private;
pub mod programs;
mod settings;
mod tarball;
pub mod user;

pub use api::capture;
pub use config::EngineConfig;
pub use container::DEFAULT_IMAGE as DEFAULT_ENGINE_IMAGE;
pub use engine::Engine;
pub use error::EngineError;
pub use programs::Programs;
