//! `handoff service`: the services as a process of their own, spoken to over standard streams.

use std::path::PathBuf;
use std::process::ExitCode;

use handoff_service::{ServiceConfig, control};

use crate::exit;

/// Options of `service`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where blobs are kept; removed at the end
    #[arg(long)]
    store: PathBuf,
}

impl Args {
    /// Serves until standard input ends.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        control::serve(std::io::stdin().lock(), std::io::stdout(), ServiceConfig::new(self.store))?;
        Ok(ExitCode::from(exit::OK))
    }
}
