//! The first job of a run: the plan's files, and the matrix that the workflow makes its other jobs of.

use std::fmt::Write as _;

use handoff_model::Plan;

use crate::cell::{CellJob, cells};
use crate::inputs;
use crate::job::append;
use crate::{GithubError, Result};

/// Name of the file with the cells, beside the plan's.
pub const CELLS: &str = "cells.json";

/// What the first job leaves.
#[derive(Debug)]
pub struct Planned {
    /// The files, by name.
    pub files: [(&'static str, Vec<u8>); 3],
    /// The trials as a Markdown table, for the run's summary.
    pub text: String,
    outputs: String,
}

impl Planned {
    /// Hands the matrix to the workflow, as outputs of this step.
    ///
    /// # Errors
    /// A file of the runner that cannot be written.
    pub fn set_outputs(&self) -> Result<()> {
        append("GITHUB_OUTPUT", &self.outputs)
    }
}

/// Lays a plan out for the workflow, as its inputs say; `minutes` is a guess at the runners' minutes.
///
/// # Errors
/// An input that does not read, or a trial that has no steps on GitHub.
pub fn planned(plan: &Plan, minutes: u64) -> Result<Planned> {
    let days = inputs::number("retention", 30, 1..=90, " of days")?;
    let cells = cells(plan, &inputs::only(), &inputs::runner()?, days).map_err(GithubError::input)?;
    let json = |e: serde_json::Error| GithubError::Job(e.to_string());
    let text = table(&cells, plan.trials.len(), minutes);
    Ok(Planned {
        files: [
            (handoff_records::PLAN, serde_json::to_vec_pretty(plan).map_err(json)?),
            (CELLS, serde_json::to_vec(&cells).map_err(json)?),
            ("plan.txt", text.clone().into_bytes()),
        ],
        text,
        outputs: format!("matrix={}\nretention={days}\n", serde_json::to_string(&cells).map_err(json)?),
    })
}

fn table(cells: &[CellJob], trials: usize, minutes: u64) -> String {
    let mut text = String::from("| trial | strategy | size | workload |\n| --- | --- | --- | --- |\n");
    for cell in cells {
        let of = &cell.trial.cell;
        let _ = writeln!(text, "| {} | {} | {} | {} |", cell.id, of.strategy, of.size, of.workload);
    }
    let started = cells.len();
    let _ = writeln!(
        text,
        "\n{started} of {trials} trials; about {minutes} runner minutes for the whole plan, a first guess."
    );
    text
}
