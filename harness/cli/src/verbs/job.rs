//! `handoff job`: the inside of a job.

use std::path::PathBuf;

use crate::exit;

/// Options of `job`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that says what the job is
    spec: PathBuf,
}

impl Args {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<u8> {
        handoff_runner::job::run(&self.spec)?;
        Ok(exit::OK)
    }
}
