//! `handoff serve`.
use std::process::ExitCode;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Serves.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("not yet")
    }
}
