//! Switch of an engine from overlay2 to the containerd store, and back.
//!
//! dockerd chooses its image store when it starts, so the switch writes `daemon.json` and restarts the daemon. The store
//! of overlay2 stays on the disk: its images and containers are hidden until the switch is undone.
//!
//! The old `daemon.json` is in a ledger on the disk before anything changes. Whatever ends this process,
//! [`restore`] or the next [`switch`] finds the ledger and undoes what was begun.
//!
//! [`switch`] and [`restore`] run as any user. [`serve_switch`] is the part that needs root; [`switch`] starts it as a
//! process of its own, so that the end of the caller does not end it halfway.

mod answer;
mod args;
mod config;
mod containers;
mod daemon;
mod engine;
mod error;
mod files;
mod front;
mod gate;
mod ledger;
mod machine;
mod real;
mod root;
mod steps;
#[cfg(test)]
mod tests;

pub use answer::{Restored, Switched};
pub use args::{RestoreStoreArgs, StoreSwitchArgs};
pub use error::{ErrorKind, Refusal, SwitchError};
pub use front::{RestoreOptions, SwitchOptions, is_hosted, restore, switch};
pub use machine::Step;
pub use root::{Root, serve_restore, serve_switch};

/// Folder of the ledgers.
pub const LEDGERS: &str = "/var/lib/handoff-relay/store-switch";
/// Engine of a machine, unless `DOCKER_HOST` or a context names another.
pub const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";
