//! The strategies as GitHub workflows: written from a typed model.
//!
//! The files in `.github/workflows` and `action.yml` are written by [`files::sync`] and compared by [`files::check`]; nobody edits them. What a
//! strategy does there it says itself, as a [`handoff_model::Recipe`]: this crate knows recipes, not strategies.

pub mod action;
pub mod calibrate;
pub mod cell;
pub mod files;
pub mod model;
pub mod pins;
pub mod recommended;
mod replace;
pub mod run;
pub mod steps;
pub mod yaml;

use handoff_model::Recipe;

/// A strategy's name with its recipe.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// The strategy's name.
    pub name: &'static str,
    /// Its recipe.
    pub recipe: &'static Recipe,
}

/// Why workflows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// The pins do not read, or lack an action.
    #[error("pins: {0}")]
    Pins(String),
    /// A file cannot be written.
    #[error("cannot write {}: {source}{}", path.display(), handoff_model::io_fix(source))]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The files are not what the model writes.
    #[error("{} not what the model writes: run `handoff workflows sync`", list(.0))]
    Drift(Vec<String>),
}

fn list(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}
