//! `handoff profiles`.

use std::path::PathBuf;

use handoff_link::profile::{self, Evidence, Figure, Unit};
use handoff_model::DiskLimit;
use handoff_runner::{Cancel, workspace};

use crate::exit::{self, bad_input};
use crate::{disk_check, log_check, out, paths};

/// Options of `profiles`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Profiles to print, with their changes applied [default: all presets]
    #[arg(value_name = "NAME|FILE[:FIGURE=VALUE,...]")]
    profiles: Vec<String>,
    /// Check the request logs of a results folder against the times that its profiles predict
    #[arg(long, value_name = "DIR", conflicts_with = "profiles")]
    check_log: Option<PathBuf>,
    /// Check as root that this machine holds limits of the jobs' disk [default: none,100MiB/s,200MiB/s,400MiB/s]
    #[arg(
        long,
        value_name = "RATE,...",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_values = disk_check::DEFAULT_LIMITS.split(','),
        conflicts_with_all = ["profiles", "check_log"]
    )]
    check_disk: Option<Vec<DiskLimit>>,
    /// Folder for the data of the disk check
    #[arg(long, value_name = "DIR", env = "HANDOFF_WORK_DIR", default_value = workspace::DEFAULT_WORK_DIR)]
    work_dir: PathBuf,
}

impl Args {
    /// Prints the link profiles with their prose and the source of each figure.
    ///
    /// # Errors
    /// A profile that does not exist, a folder without request logs, or a machine that cannot limit a job's disk.
    pub fn run(self) -> anyhow::Result<u8> {
        if let Some(dir) = self.check_log {
            return log_check::run(&dir);
        }
        if let Some(limits) = self.check_disk {
            let work_dir = std::path::absolute(&self.work_dir).map_err(bad_input)?;
            paths::check_environment()?;
            paths::check_work_dir(&work_dir)?;
            let cancel = Cancel::default();
            super::run::end_on_signal(&cancel)?;
            return disk_check::run(&limits, &work_dir, &cancel);
        }
        let all = self.profiles.is_empty();
        let names = if all { profile::names().into_iter().map(str::to_owned).collect() } else { self.profiles };
        for name in names {
            let profile = profile::load(&name).map_err(bad_input)?;
            let about = profile.about.replace('\n', "\n    ");
            out::data(&format!("{}: {}\n    {about}\n", profile.name, profile.summary));
            for (key, unit, figure) in profile.figures() {
                out::data(&format!("    {key:<25} {}", line(unit, figure)));
                if !figure.note.is_empty() {
                    out::data(&format!("        {}", figure.note));
                }
            }
            if profile.figures().next().is_some() {
                out::data("");
            }
        }
        if all {
            out::data(profile::GRAMMAR);
        }
        Ok(exit::OK)
    }
}

fn line(unit: Unit, figure: &Figure) -> String {
    let range = match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!(" ({} to {})", unit.show(low), unit.show(high)),
        _ => String::new(),
    };
    let basis = match figure.basis {
        Some(Evidence::Published) => ", published",
        Some(Evidence::Measured) => ", measured",
        Some(Evidence::Assumed) => ", assumed",
        None => "",
    };
    format!("{}{range}{basis}", unit.show(figure.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_is_printed_with_range_and_source() {
        let profile = profile::load("github-hosted:503=1%").unwrap();
        let shown = |key: &str| {
            let (_, unit, figure) = profile.figures().find(|(name, ..)| *name == key).unwrap();
            line(unit, figure)
        };
        assert_eq!(shown("cache.down.aggregate"), "120MiB/s (50MiB/s to 220MiB/s), published");
        assert_eq!(shown("api.call_ms"), "200 ms (100 ms to 500 ms), assumed");
        assert_eq!(shown("cache.creates_per_minute"), "200, published");
        assert_eq!(shown("faults.503"), "1%");
    }
}
