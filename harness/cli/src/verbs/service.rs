//! `handoff service`: the services as a process, controlled over standard streams.

use std::path::PathBuf;

use handoff_link::profile;
use handoff_services::{ServiceConfig, control};

use crate::exit::{self, bad_input};

/// Options of `service`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for blobs, which are removed at the end
    #[arg(long)]
    store: PathBuf,
    /// Link profile that limits bandwidth and adds latency
    #[arg(long, value_name = "NAME|FILE", default_value = "loopback")]
    profile: String,
}

impl Args {
    /// Serves until standard input ends.
    ///
    /// # Errors
    /// A profile that does not exist, or a folder that cannot be used.
    pub fn run(self) -> anyhow::Result<u8> {
        let profile = profile::load(&self.profile).map_err(bad_input)?;
        let config = ServiceConfig { profile, ..ServiceConfig::new(self.store) };
        control::serve(std::io::stdin().lock(), std::io::stdout(), config)?;
        Ok(exit::OK)
    }
}
