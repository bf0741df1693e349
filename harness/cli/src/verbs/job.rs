//! `handoff job`: the inside of a job.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit;

/// Options of `job`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that says what the job is
    spec: PathBuf,
}

impl Args {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        handoff_runner::job::run(&self.spec)?;
        Ok(ExitCode::from(exit::OK))
    }
}
