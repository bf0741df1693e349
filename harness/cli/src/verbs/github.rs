//! `handoff github`: what the jobs of the workflows call, and `handoff plan --github`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use handoff_github::cell::CellJob;
use handoff_github::inputs::input;
use handoff_github::planned::planned;
use handoff_github::{calibration, job, stored};
use handoff_model::Role;
use handoff_runner::needs;

use crate::args::{plan_of_workflow, tell_declared};
use crate::exit::{self, bad_input};
use crate::files::NotWritten;
use crate::{files, out, paths, revision};

/// Options of `github`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the sources, describe the machine and start the clock
    Begin {
        /// `producer` or `consumer`
        role: String,
    },
    /// Start the first container, and stop the clock when it answers
    Answer,
    /// Check the image and read the builder's records, off the clock
    Finish,
    /// Measure the link of this runner and write a profile
    Calibrate {
        /// Folder for the profile
        #[arg(long, value_name = "DIR", default_value = "handoff-profile")]
        out: PathBuf,
    },
    /// Remove what the cell stored, as its producer recorded it
    Clean {
        /// Folder with the producer's file
        sides: PathBuf,
    },
    /// Run a private engine for a job on a shared machine (`begin` starts it)
    #[command(hide = true)]
    Engine {
        /// The engine's folder
        root: PathBuf,
    },
}

impl Args {
    /// Runs the command in the current folder, for the cell that the environment names.
    ///
    /// # Errors
    /// A variable that is missing, or a step that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let here = Path::new(".");
        match self.what {
            What::Begin { role } => {
                let role: Role = role.parse().map_err(bad_input)?;
                let consumer = job::consumer_of_env(role)?;
                job::begin(here, &CellJob::from_env()?, role, consumer, &revision::revision())?;
            }
            What::Answer => job::answer(here, &CellJob::from_env()?)?,
            What::Finish => {
                if let Some(failure) = job::finish(here, &CellJob::from_env()?)? {
                    out::talk(&format!("error: {}: {}", failure.span, failure.error));
                    return Ok(exit::TRIALS_FAILED);
                }
            }
            What::Calibrate { out } => calibrate(&out)?,
            What::Clean { sides } => out::talk(&match stored::clean_up(&CellJob::from_env()?, &sides)? {
                Some((artifacts, caches)) => format!("removed {artifacts} artifacts and {caches} cache entries"),
                None => "no token: nothing is removed".to_owned(),
            }),
            What::Engine { root } => job::hold(&root)?,
        }
        Ok(exit::OK)
    }
}

/// Measures the link and writes table and profile below `dir`.
fn calibrate(dir: &Path) -> anyhow::Result<()> {
    paths::check_text("--out", dir)?;
    let name = format!("handoff-calibrate-{}", crate::random_id::random_id()?);
    let files = calibration::calibrate(&name, dir)?;
    for (file, text) in &files {
        files::write(&dir.join(file), text.as_bytes())?;
    }
    out::data(files[0].1.trim_end());
    Ok(())
}

/// Reads the inputs, writes plan and cells below `dir`, and writes the matrix to the step's outputs.
///
/// # Errors
/// An input that makes no plan, or a file that cannot be written.
pub fn plan(dir: &Path) -> anyhow::Result<u8> {
    paths::check_text("--out", dir)?;
    let plan = plan_of_workflow(input)?;
    tell_declared(&plan);
    let planned = planned(&plan, needs::of_runners(&plan).minutes)?;
    std::fs::create_dir_all(dir).map_err(|source| NotWritten { path: dir.to_owned(), source })?;
    for (name, bytes) in &planned.files {
        files::write(&dir.join(name), bytes)?;
    }
    out::data(planned.text.trim_end());
    planned.set_outputs()?;
    Ok(exit::OK)
}
