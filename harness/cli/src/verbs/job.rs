//! `handoff job`: one job of a trial.

use std::path::PathBuf;

use crate::exit;

/// Options of `job`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File that describes the job
    spec: PathBuf,
}

impl Args {
    /// Runs the job.
    ///
    /// # Errors
    /// A description that cannot be read, or a pipe to the runner that breaks.
    pub fn run(self) -> anyhow::Result<u8> {
        handoff_runner::job::run(&self.spec)?;
        Ok(exit::OK)
    }
}
