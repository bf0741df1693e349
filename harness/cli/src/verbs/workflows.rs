//! `handoff workflows`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use handoff_workflows::pins::{self, Pins};
use handoff_workflows::{Named, WorkflowError, files};

use crate::exit::{self, bad_input};
use crate::files::NotWritten;
use crate::out;

/// Options of `workflows`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// Checkout of Handoff
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the files below .github/workflows
    Sync,
    /// Fail if a file there differs from what sync writes; warn if the pins were compared with the newest too long ago
    Check,
    /// Pin an action to another commit, then write the files: `pin actions/cache v5.1.0 COMMIT`
    Pin {
        /// Action, as owner/name
        action: String,
        /// Tag of the commit
        tag: String,
        /// Commit, 40 hex digits
        commit: String,
    },
}

/// The pins of the checkout.
fn read(root: &Path) -> anyhow::Result<Pins> {
    let file = root.join(pins::FILE);
    let text = handoff_model::regular_file::read_to_string(&file)
        .map_err(|e| bad_input(format!("{}: {e}: name a checkout of Handoff with --root", file.display())))?;
    Pins::parse(&text).map_err(bad_input)
}

/// Every file, from pins.
fn model(pins: &Pins) -> anyhow::Result<Vec<(String, String)>> {
    let strategies: Vec<Named> =
        handoff_strategies::ALL.iter().map(|s| Named { name: s.facts().name, recipe: s.recipe() }).collect();
    files::all(pins, &strategies).map_err(bad_input)
}

/// A file that could not be written may be the disk's fault; all else is the checkout's.
fn failed(error: WorkflowError) -> anyhow::Error {
    match error {
        WorkflowError::Write { path, source } => NotWritten { path, source }.into(),
        error => bad_input(error),
    }
}

impl Args {
    /// Writes or checks the workflow files.
    ///
    /// # Errors
    /// Pins that cannot be read, a file that cannot be written, or with `check` files that differ.
    pub fn run(self) -> anyhow::Result<u8> {
        if let What::Pin { action, tag, commit } = &self.what {
            Pins::set(&self.root.join(pins::FILE), action, tag, commit).map_err(failed)?;
        }
        let pins = read(&self.root)?;
        let files = model(&pins)?;
        if matches!(self.what, What::Check) {
            let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
            pins.stale(today).iter().for_each(|warning| out::talk(warning));
            files::check(&self.root, &files).map_err(bad_input)?;
            return Ok(exit::OK);
        }
        for name in files::sync(&self.root, &files).map_err(failed)? {
            out::data(&name);
        }
        Ok(exit::OK)
    }
}
