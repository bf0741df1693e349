//! `handoff stream`: the streaming client of `zstd-stream`.

use std::path::PathBuf;

use handoff_storage::stream::{DownloadArgs, UploadArgs, download_to_stdout, upload_from_stdin};
use handoff_storage::{DownloadPlan, UploadPlan};

use crate::{exit, files, paths};

/// Options of `stream`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    direction: Direction,
}

#[derive(Debug, clap::Subcommand)]
enum Direction {
    /// Standard input becomes an artifact
    Upload {
        /// The artifact's name
        name: String,
        /// Where the report goes
        #[arg(long)]
        report: Option<PathBuf>,
        /// A named pipe that must say `commit` before the artifact becomes visible
        #[arg(long)]
        commit_gate: Option<PathBuf>,
        /// Blocks in flight
        #[arg(long, value_name = "N", default_value_t = UploadPlan::default().in_flight)]
        blocks: usize,
    },
    /// An artifact goes to standard output
    Download {
        /// The artifact's name
        name: String,
        /// Where the report goes
        #[arg(long)]
        report: Option<PathBuf>,
        /// Ranges fetched at once; 1 is one request for all
        #[arg(long, value_name = "N", default_value_t = DownloadPlan::default().ranges)]
        ranges: usize,
    },
}

impl Args {
    /// Moves the stream.
    pub fn run(self) -> anyhow::Result<u8> {
        let (Direction::Upload { report, .. } | Direction::Download { report, .. }) = &self.direction;
        if let Some(path) = report {
            paths::check_report(path)?;
        }
        let (told, report) = match self.direction {
            Direction::Upload { name, report, commit_gate, blocks } => {
                let plan = UploadPlan { in_flight: blocks, ..UploadPlan::default() };
                (upload_from_stdin(&UploadArgs { commit_gate, plan, ..UploadArgs::new(name) }), report)
            }
            Direction::Download { name, report, ranges } => {
                let plan = DownloadPlan { ranges, ..DownloadPlan::default() };
                (download_to_stdout(&DownloadArgs { name, plan }), report)
            }
        };
        files::finish(report, |path| told.write(path), told.error.as_deref())?;
        Ok(exit::OK)
    }
}
