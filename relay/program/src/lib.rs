//! `handoff-relay`: sends images from one job's engine and receives them in another's.
//!
//! `handoff send` and `handoff receive` run the same code. Each command is one folder: `send` and `receive`. The two registries
//! on loopback that they use are `handoff_registry`.

pub mod build_context;
pub mod cli;
mod clock;
mod command;
mod docker;
pub mod error;
mod importing;
mod lifecycle;
mod names;
mod options;
mod outputs;
mod print;
mod progress;
mod receive;
mod report;
mod send;
pub mod store_switch;
mod transfer;
pub mod usage;

pub(crate) use command::Command;
pub use error::Error;
pub use names::check_transfer;
pub use options::{TransferArgs, check_report};
pub use receive::ReceiveArgs;
pub use send::SendArgs;
