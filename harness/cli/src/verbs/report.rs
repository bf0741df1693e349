//! `handoff report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use handoff_driver::journal::Results;
use handoff_report::{Report, Run};

use crate::exit::{self, bad_input};
use crate::out;

/// The lines of a README between which the table stands.
const BEGIN: &str = "<!-- handoff:table:begin -->";
const END: &str = "<!-- handoff:table:end -->";

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results folders; several are put side by side
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Where report.md goes [default: the first folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also rewrite the table between the markers of this file (the README)
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    /// With --readme: change nothing, fail if the table there is not this one
    #[arg(long, requires = "readme")]
    check: bool,
}

/// Reads results folders into a report.
fn read(dirs: &[PathBuf]) -> anyhow::Result<Report> {
    let mut runs = Vec::new();
    for dir in dirs {
        let results = Results::read(dir)?;
        let name = dir.file_name().map_or_else(|| dir.display().to_string(), |n| n.to_string_lossy().into_owned());
        runs.push(Run {
            name,
            plan: results.plan,
            environments: results.environments,
            measurements: results.measurements,
            warnings: results.warnings,
        });
    }
    Report::new(runs).map_err(bad_input)
}

/// Writes report.md into a folder and returns its path.
pub fn write(dirs: &[PathBuf], out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let path = out.join("report.md");
    write_file(&path, &handoff_report::markdown(&read(dirs)?))?;
    Ok(vec![path])
}

/// Prints the table.
pub fn print(dirs: &[PathBuf]) -> anyhow::Result<()> {
    out::data(&handoff_report::terminal(&read(dirs)?, out::width(), out::color()));
    Ok(())
}

fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).map_err(|e| bad_input(format!("cannot write {}: {e}", path.display())))
}

/// Puts a block between the markers of a text.
fn splice(text: &str, block: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", block.trim()))
}

impl Args {
    /// Renders.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(readme) = &self.readme {
            return self.update(readme);
        }
        print(&self.dirs)?;
        for file in write(&self.dirs, self.out.as_deref().unwrap_or(&self.dirs[0]))? {
            out::data(&file.display().to_string());
        }
        Ok(ExitCode::from(exit::OK))
    }

    fn update(&self, readme: &Path) -> anyhow::Result<ExitCode> {
        let text =
            fs::read_to_string(readme).map_err(|e| bad_input(format!("cannot read {}: {e}", readme.display())))?;
        let block = handoff_report::readme_block(&read(&self.dirs)?);
        let new = splice(&text, &block).ok_or_else(|| {
            bad_input(format!(
                "{} has no lines `{BEGIN}` and `{END}`: add them where the table shall stand",
                readme.display()
            ))
        })?;
        if new == text {
            return Ok(ExitCode::from(exit::OK));
        }
        if self.check {
            anyhow::bail!(
                "the table in {} is not that of the results: run `handoff report DIR --readme {0}`",
                readme.display()
            );
        }
        write_file(readme, &new)?;
        Ok(ExitCode::from(exit::OK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = splice(&text, "table\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\ntable\n\n{END}\nb\n"));
        assert_eq!(splice(&new, "table").unwrap(), new);
        assert_eq!(splice("no markers", "x"), None);
    }
}
