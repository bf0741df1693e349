//! `handoff stream`: the streaming client of `zstd-stream`.

use std::path::PathBuf;

use handoff_storage::stream::{DownloadArgs, UploadArgs, download_to_stdout, upload_from_stdin};
use handoff_storage::{DownloadPlan, UploadPlan};

use crate::{exit, files};

/// Options of `stream`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    direction: Direction,
}

#[derive(Debug, clap::Subcommand)]
enum Direction {
    /// Upload standard input as an artifact
    Upload {
        /// Name of the artifact
        name: String,
        /// File for the report
        #[arg(long)]
        report: Option<PathBuf>,
        /// Named pipe; the artifact becomes visible when `commit` is written to it
        #[arg(long)]
        commit_gate: Option<PathBuf>,
        /// Blocks in flight
        #[arg(long, value_name = "N", default_value_t = UploadPlan::default().in_flight)]
        blocks: usize,
    },
    /// Download an artifact to standard output
    Download {
        /// Name of the artifact
        name: String,
        /// File for the report
        #[arg(long)]
        report: Option<PathBuf>,
        /// Ranges fetched at once; 1 is one request for the whole artifact
        #[arg(long, value_name = "N", default_value_t = DownloadPlan::default().ranges)]
        ranges: usize,
    },
}

impl Args {
    /// Uploads or downloads the stream.
    ///
    /// # Errors
    /// A report that cannot be written, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let (Direction::Upload { report, .. } | Direction::Download { report, .. }) = &self.direction;
        if let Some(path) = report {
            handoff_relay::check_report(path)?;
        }
        let (transfer, report) = match self.direction {
            Direction::Upload { name, report, commit_gate, blocks } => {
                let plan = UploadPlan { in_flight: blocks, ..UploadPlan::default() };
                (upload_from_stdin(&UploadArgs { commit_gate, plan, ..UploadArgs::new(name) }), report)
            }
            Direction::Download { name, report, ranges } => {
                let plan = DownloadPlan { ranges, ..DownloadPlan::default() };
                (download_to_stdout(&DownloadArgs { name, plan }), report)
            }
        };
        files::finish(report, |path| transfer.write(path), transfer.error.as_deref())?;
        Ok(exit::OK)
    }
}
