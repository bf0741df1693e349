//! `handoff report`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Writes the report.
pub fn write(_dirs: &[PathBuf], _out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(vec![])
}

/// Prints the table.
pub fn print(_dirs: &[PathBuf]) -> anyhow::Result<()> {
    Ok(())
}

impl Args {
    /// Renders.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("not yet")
    }
}
