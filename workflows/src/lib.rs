//! GitHub workflows of the strategies, generated from a typed model.
//!
//! [`files::sync`] writes `.github/workflows`, `action.yml` and `docs/examples`, and [`files::check`] finds drift. A strategy describes its
//! steps as a [`handoff_model::Recipe`], so that this crate knows recipes and no strategies.
//!
//! # Example
//!
//! ```
//! use handoff_workflows::model::{Job, Step};
//! use handoff_workflows::pins::Pins;
//! use handoff_workflows::yaml::Node;
//!
//! let checkout = Step::uses("Check out", Pins::built_in()?.uses("actions/checkout")?);
//! let job = Job::named("test").set("runs-on", "ubuntu-latest").with_steps([checkout, Step::run("Test", "make test")]);
//! assert!(Node::from(job).document().starts_with("name: test\nruns-on: ubuntu-latest\n"));
//! # Ok::<(), handoff_workflows::WorkflowError>(())
//! ```

pub mod action;
pub mod calibrate;
pub mod cell;
mod digest;
pub mod examples;
pub mod files;
pub mod model;
pub mod pins;
pub mod recommended;
mod replace;
pub mod run;
pub mod steps;
pub mod yaml;

use handoff_model::Recipe;

/// Name and recipe of a strategy.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Name of the strategy.
    pub name: &'static str,
    /// Recipe of the strategy.
    pub recipe: &'static Recipe,
}

/// Reason why workflows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// Invalid pins, or an action without a pin.
    #[error("pins: {0}")]
    Pins(String),
    /// File that cannot be written.
    #[error("cannot write {}: {source}{}", path.display(), handoff_model::io_fix(source))]
    Write {
        /// File.
        path: std::path::PathBuf,
        /// Reason of the system.
        source: std::io::Error,
    },
    /// Files that differ from the generated texts.
    #[error("{} out of date: run `handoff workflows sync`", list(.0))]
    Drift(Vec<String>),
}

fn list(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}
