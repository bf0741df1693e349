//! `handoff clean`.

use std::path::PathBuf;

use handoff_docker::disk_limit;
use handoff_runner::workspace;

use crate::{exit, out};

/// Options of `clean`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for the data of runs
    #[arg(long, value_name = "DIR", env = "HANDOFF_WORK_DIR", default_value = workspace::DEFAULT_WORK_DIR)]
    work_dir: PathBuf,
    /// Remove what is listed
    #[arg(long)]
    remove: bool,
}

impl Args {
    /// Lists what interrupted runs left, by their notes only, and removes it with --remove.
    ///
    /// # Errors
    /// Something that cannot be removed.
    pub fn run(self) -> anyhow::Result<u8> {
        let found = workspace::leftovers(&self.work_dir)?;
        for leftover in &found {
            let folders: Vec<String> = leftover.folders.iter().map(|f| f.display().to_string()).collect();
            let (jobs, folders) = (leftover.jobs.join(", "), folders.join(", "));
            out::data(&format!("{}  jobs: [{jobs}]  also: [{folders}]", leftover.dir.display()));
            for limit in leftover.jobs.iter().filter_map(|job| disk_limit::recorded(&leftover.dir.join(job))) {
                out::data(&format!("  disk limit: {limit}"));
            }
            for made in &leftover.resources {
                let things = made.present().map_or_else(|e| e.to_string(), |things| things.join(", "));
                out::data(&format!("  in the daemon at {}: [{things}]", made.socket.display()));
            }
            if self.remove
                && let Err(error) = workspace::remove(leftover)
            {
                out::talk(&format!("{}: {error}", leftover.dir.display()));
            }
        }
        let left = workspace::leftovers(&self.work_dir)?.len();
        match (found.len(), self.remove, left) {
            (0, ..) => out::talk("interrupted runs left nothing"),
            (n, false, _) => out::talk(&format!("{n} left: `handoff clean --remove` removes them")),
            (n, true, 0) => out::talk(&format!("{n} removed")),
            (_, true, left) => anyhow::bail!("{left} could not be removed: stop the processes that use them"),
        }
        Ok(exit::OK)
    }
}
