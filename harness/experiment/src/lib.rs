//! Definition of an experiment: factors, matrix files and presets, and the resulting request for a plan.
//!
//! [`Experiment`] holds what was asked for. The flags of the command line and the keys of a matrix file fill the same typed
//! fields ([`Factors`], [`Whole`]). [`Experiment::request`] lays options over a matrix and crosses the factors;
//! [`handoff_model::Plan::new`] puts the trials in order. The order, the nonces and the hash belong to the format of
//! `plan.json`, so that they stay with its types in `handoff_model`.
//!
//! The crate reads a matrix or profile file that is named, and does no other I/O. What depends on strategies, fixtures or the
//! host comes from the caller, as a [`Context`].
//!
//! ```
//! use handoff_experiment::{Context, Experiment, RunsOn};
//!
//! let context = Context {
//!     runs_on: RunsOn::Here,
//!     run_id: "example".to_owned(),
//!     host_store: None,
//!     user_image: None,
//!     strategies: &Ok,
//!     check_image: &|_, _| Ok(()),
//! };
//! let experiment = Experiment { matrix: Some("quick".to_owned()), ..Experiment::default() };
//! assert_eq!(experiment.request(None, &context)?.rounds, 3);
//! # Ok::<(), handoff_experiment::ExperimentError>(())
//! ```

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
