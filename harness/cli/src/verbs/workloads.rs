//! `handoff workloads`.

use std::process::ExitCode;

use crate::{exit, out};

/// Options of `workloads`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints every named workload with its prose.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        for name in handoff_fixtures::workload_names() {
            let workload = handoff_fixtures::load_workload(name)?;
            out::data(&format!(
                "{name}: {}\n    {}\n",
                workload.summary,
                workload.about.trim().replace('\n', "\n    ")
            ));
        }
        Ok(ExitCode::from(exit::OK))
    }
}
