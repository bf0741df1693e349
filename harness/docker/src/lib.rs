//! Docker engine for one job.
//!
//! A private engine is a containerd and a dockerd in process and mount namespaces of the job ([`namespace`]). When the
//! job's first process ends, the kernel ends all other processes and removes the mounts, even after a kill -9.
//! [`leftovers`] removes the remaining files and empty cgroups.
//!
//! Two other kinds use the user's daemon ([`user`]): an engine in a privileged container, and the daemon itself. The runner
//! records the names of their objects before the objects exist, and removes them by these names.
//!
//! # Example
//!
//! ```no_run
//! use handoff_docker::{Engine, EngineConfig, Programs, capture};
//! use handoff_model::{EngineKind, ImageStore};
//!
//! // In the namespaces of `namespace::command`, as root.
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! let config = EngineConfig {
//!     root: "/tmp/e".into(),
//!     job: "example".to_owned(),
//!     store: ImageStore::Containerd,
//!     kind: EngineKind::Private,
//!     host_daemon: None,
//! };
//! let mut engine = Engine::start(&Programs::find()?, &config, &runtime)?;
//! println!("{}", capture(&engine.docker(["version"]), "docker version")?);
//! engine.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api;
pub mod builder;
pub mod buildkit;
pub mod bundle;
pub mod command;
mod config;
mod container;
pub mod disk;
pub mod disk_check;
pub mod disk_limit;
mod engine;
mod error;
mod host;
pub mod identity;
pub mod leftovers;
mod names;
pub mod namespace;
mod private;
pub mod programs;
mod restart;
mod settings;
mod tarball;
pub mod timeouts;
pub mod user;
pub mod write_back;

pub use api::runtime;
pub use command::capture;
pub use config::EngineConfig;
pub use container::DEFAULT_IMAGE as DEFAULT_ENGINE_IMAGE;
pub use engine::Engine;
pub use error::EngineError;
pub use programs::Programs;
pub use restart::DaemonRestart;
