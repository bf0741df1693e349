//! `handoff workloads`.

use crate::out;

/// Prints every named workload with its prose.
pub fn run() -> anyhow::Result<()> {
    for name in handoff_fixtures::workload_names() {
        let workload = handoff_fixtures::load_workload(name)?;
        out::data(&format!("{name}: {}\n    {}\n", workload.summary, workload.about.trim().replace('\n', "\n    ")));
    }
    Ok(())
}
