//! `handoff mark`.

use std::path::Path;

use handoff_github::job;

use crate::exit;

/// Options of `mark`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Span that begins now and ends with the next mark, or `stop`
    what: String,
    /// Detail of the span, in a few words
    #[arg(default_value = "")]
    detail: String,
}

impl Args {
    /// Writes the mark.
    ///
    /// # Errors
    /// A file of marks that cannot be written.
    pub fn run(self) -> anyhow::Result<u8> {
        job::mark(Path::new("."), &self.what, &self.detail)?;
        Ok(exit::OK)
    }
}
