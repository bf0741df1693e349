//! Options that several commands share.

use std::path::{Path, PathBuf};

use handoff_registry::{Settings, StoreKind};

use crate::Error;
use crate::error::bail_input;

/// Concurrency and part size of a transfer.
#[derive(Debug, clap::Args)]
pub struct TransferArgs {
    /// Concurrent requests; 0 adapts the number to the bandwidth, up to 32 [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    connections: Option<u16>,
    /// MiB of an uploaded block or a downloaded range; each concurrent request holds one in memory [default: 4]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=16))]
    part: Option<u16>,
}

impl TransferArgs {
    /// Settings of a registry.
    pub fn settings(&self) -> Settings {
        let connections = self.connections.filter(|n| *n > 0).map(usize::from);
        let part_bytes = self.part.map(|mib| usize::from(mib) << 20);
        Settings { connections, part_bytes, ..Settings::default() }
    }
}

/// Options of both `send` and `receive`.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Name that the image is sent under; receivers use the same [default: image]
    #[arg(long, default_value = "image", hide_default_value = true)]
    pub(crate) name: String,
    /// Service that stores the image: artifact (for this run), or cache (later runs reuse its layers)
    #[arg(long, value_name = "STORE", default_value = "artifact")]
    pub(crate) store: StoreKind,
    #[command(flatten)]
    pub(crate) flight: TransferArgs,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// Files that tell others how a command went.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Files {
    /// Append three lines of Markdown to this file, for example `$GITHUB_STEP_SUMMARY`
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Write times, bytes and digests to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Append the outputs of a step to the file that `GITHUB_OUTPUT` names: outcome, image, digest, images, bytes, seconds
    #[arg(long)]
    pub(crate) outputs: bool,
}

impl Files {
    /// File of the outputs, if they are wanted and there is one.
    pub(crate) fn outputs(&self) -> Option<PathBuf> {
        std::env::var_os("GITHUB_OUTPUT").filter(|path| self.outputs && !path.is_empty()).map(PathBuf::from)
    }

    /// Refuses a report that cannot be written, before anything is sent.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.report.as_deref().map_or(Ok(()), check_report)
    }
}

/// Refuses a report that cannot be written.
///
/// # Errors
/// The path, with the system's error.
pub fn check_report(path: &Path) -> Result<(), Error> {
    let shown = path.display();
    if path.is_dir() {
        bail_input!("--report {shown} is a folder: name a file in it");
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::File::create(&part).and_then(|_| std::fs::remove_file(&part)).map_err(|e| {
        Error::BadInput(format!("--report {shown} cannot be written: {e}: name a file in a folder that is there"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_that_cannot_be_written_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("nope/x"), dir.path().to_owned()] {
            let error = check_report(&path).unwrap_err().to_string();
            assert!(error.contains("--report") && error.contains(&path.display().to_string()), "{error}");
        }
        assert!(check_report(&dir.path().join("x")).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }
}
