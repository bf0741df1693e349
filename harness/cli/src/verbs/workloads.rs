//! `handoff workloads`.

use crate::{exit, out};

/// Options of `workloads`: none.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints every named workload with its prose.
    ///
    /// # Errors
    /// A built-in workload that does not read.
    #[expect(clippy::unused_self, reason = "every verb runs so")]
    pub fn run(self) -> anyhow::Result<u8> {
        for name in handoff_fixtures::workload_names() {
            let workload = handoff_fixtures::load_workload(name)?;
            let about = workload.about.trim().replace('\n', "\n    ");
            out::data(&format!("{name}: {}\n    {about}\n", workload.summary));
        }
        Ok(exit::OK)
    }
}
