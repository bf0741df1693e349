//! First job of a run: the files of the plan, and the matrix of the other jobs.

use std::fmt::Write as _;

use handoff_model::Plan;

use crate::cell::{CellJob, cells};
use crate::inputs;
use crate::job::append;
use crate::{GithubError, Result};

/// File with the cells, beside the plan.
pub const CELLS: &str = "cells.json";

/// Output of the first job.
#[derive(Debug)]
pub struct Planned {
    /// Files by name.
    pub files: [(&'static str, Vec<u8>); 3],
    /// Trials as a Markdown table, for the run's summary.
    pub text: String,
    outputs: String,
}

impl Planned {
    /// Writes the matrix to the outputs of this step.
    ///
    /// # Errors
    /// The runner's file cannot be written.
    pub fn set_outputs(&self) -> Result<()> {
        append("GITHUB_OUTPUT", &self.outputs)
    }
}

/// Cells and files of a plan, after the workflow's inputs; `minutes` is the estimate of billed minutes.
///
/// # Errors
/// An input is invalid, or a trial has no steps on GitHub.
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
        let planned = &cell.trial.cell;
        let _ = writeln!(text, "| {} | {} | {} | {} |", cell.id, planned.strategy, planned.size, planned.workload);
    }
    let started = cells.len();
    let _ = writeln!(text, "\n{started} of {trials} trials; estimate for the whole plan: {minutes} runner minutes.");
    text
}
