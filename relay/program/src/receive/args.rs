//! Options of `receive`.

use std::path::PathBuf;
use std::time::Duration;

use crate::importing::Import;
use crate::options::Common;

/// Examples below the options.
const EXAMPLES: &str = "Examples:
  receive --name app                             the image under the name that it was sent from
  receive --name app --digest sha256:…           only the image that `send` printed this digest of
  receive --name app --wait 10m --producer build start before the job `build` has sent it

It prints a line IMAGE DIGEST for each image. A digest that differs is refused before anything is fetched, with exit code 4.
--wait asks GitHub for the states of jobs where GITHUB_TOKEN is set and may read them (permissions: actions: read).";

/// Options of `receive`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReceiveArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Name of the received image [default: the name that it was sent from]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) tag: Option<String>,
    /// Digests of the images, separated by commas, as `send` printed them; other images are refused
    #[arg(long, value_name = "DIGEST")]
    pub(crate) digest: Option<String>,
    /// Write layers into the engine's store (needs root and the containerd store), or let the engine pull: auto, never, require
    #[arg(long, value_name = "WORD", default_value = "auto")]
    pub(crate) import: Import,
    /// Switch an engine with the overlay2 store to the containerd store first; `force` does so on any machine
    #[arg(long, value_name = "force", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = ["", "force"], hide_possible_values = true)]
    pub(crate) store_switch: Option<String>,
    /// File of the engine's configuration, for --store-switch [default: the one that dockerd reads]
    #[arg(long, value_name = "FILE", requires = "store_switch")]
    pub(crate) daemon_config: Option<PathBuf>,
    /// Command that restarts the engine, for --store-switch [default: systemctl restart docker]
    #[arg(long, value_name = "CMD", requires = "store_switch")]
    pub(crate) restart_command: Option<String>,
    /// Wait for the transfer so long, for example 90s, 10m or 1h, and less if its producer has failed
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) wait: Option<Duration>,
    /// Name of the job that sends, as GitHub shows it: with --wait, its failure ends the wait
    #[arg(long, value_name = "JOB", requires = "wait")]
    pub(crate) producer: Option<String>,
    /// Delete the transfer after success: for the last job that needs it
    #[arg(long)]
    pub(crate) delete: bool,
}

/// Parses `90s`, `10m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "use a whole number with a unit, for example 90s, 10m or 1h".to_owned();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(seconds).filter(|s| (1..=86_400).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(|| "use at least 1s and at most 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_needs_a_number_and_a_unit() {
        assert_eq!(["90s", "10m", "1h"].map(|text| duration(text).unwrap().as_secs()), [90, 600, 3600]);
        for wrong in ["", "10", "m", "1.5h", "-1s", "10 m", "0s", "25h", "99999999999999999999h", "1ms", "٣s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
