//! The definition of an experiment: factors, matrix files and presets, and the request for a plan that they make.
//!
//! [`Experiment`] holds what was asked for. The flags of the command line and the keys of a matrix file fill the same typed
//! fields ([`Factors`], [`Whole`]). [`Experiment::request`] lays options over a matrix and crosses the factors;
//! [`handoff_model::Plan::new`] puts the trials in order. The order, the nonces and the hash belong to the format of
//! `plan.json`, so that they stay with its types in `handoff_model`.
//!
//! The crate reads a matrix or profile file that is named, and does no other I/O. What depends on strategies, fixtures or the
//! host comes from the caller, as a [`Context`].

mod budget;
mod conditions;
mod context;
mod declared;
mod error;
mod factors;
mod inputs;
mod levels;
mod matrix;
mod presets;
mod request;
mod rounds;
mod rules;
mod typed;

pub use budget::Budget;
pub use context::{CheckImage, CheckStrategies, Context, RunsOn};
pub use declared::{fix, warnings};
pub use error::ExperimentError;
pub use factors::{Factors, Whole};
pub use inputs::workflow_inputs;
pub use levels::{Consumers, Level, List, ProfileName};
pub use matrix::Matrix;
pub use presets::{load, presets};
pub use request::Experiment;
pub use rounds::Rounds;
