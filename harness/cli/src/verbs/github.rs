//! `handoff github`: what the jobs of the workflows call, and `handoff plan --github`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use handoff_github::calibration::{Calibration, Link};
use handoff_github::rest::{self, Api};
use handoff_github::side::{self as github, CellJob};
use handoff_github::stored::Stored;
use handoff_model::{ImageStore, Side};
use handoff_runner::{DriverError, needs};

use crate::args::plan_of_workflow;
use crate::exit::{self, bad_input};
use crate::{files, out, paths, revision};

/// Options of `github`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the sources, describe the machine, start the clock
    Begin {
        /// `producer` or `consumer`
        side: String,
    },
    /// Start the first container, and stop the clock when it has answered
    Answer,
    /// Off the clock: look at the image and at the builder's records
    Finish,
    /// Measure this runner's link and write a profile
    Calibrate {
        /// Folder for the profile
        #[arg(long, value_name = "DIR", default_value = "handoff-profile")]
        out: PathBuf,
    },
    /// Remove what the cell has stored, by what its producer told
    Clean {
        /// Folder with the producer's file
        sides: PathBuf,
    },
    /// Hold a private engine for a job on a shared machine (started by `begin`)
    #[command(hide = true)]
    Engine {
        /// The engine's folder
        root: PathBuf,
    },
}

impl Args {
    /// Does it, in the current folder, for the cell that the environment names.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let here = Path::new(".");
        match self.what {
            What::Begin { side } => {
                let side: Side = side.parse().map_err(bad_input)?;
                let consumer = match (side, std::env::var("HANDOFF_CONSUMER")) {
                    (Side::Producer, _) => None,
                    (_, Ok(text)) => Some(text.parse().map_err(|_| bad_input(format!("HANDOFF_CONSUMER: `{text}`")))?),
                    (_, Err(_)) => Some(1),
                };
                github::begin(here, &CellJob::from_env()?, side, consumer, &revision::revision())?;
            }
            What::Answer => github::answer(here, &CellJob::from_env()?)?,
            What::Finish => {
                let status = std::env::var("HANDOFF_JOB_STATUS").map_err(|_| {
                    bad_input("HANDOFF_JOB_STATUS is not set: give the job's status, `${{ job.status }}`")
                })?;
                if let Some(failure) = github::finish(here, &CellJob::from_env()?, &status)? {
                    out::talk(&format!("error: {}: {}", failure.span, failure.error));
                    return Ok(ExitCode::from(exit::TRIALS_FAILED));
                }
            }
            What::Calibrate { out } => calibrate(&out)?,
            What::Clean { sides } => clean(&sides)?,
            What::Engine { root } => {
                let store = std::env::var("HANDOFF_INPUT_IMAGE_STORE").unwrap_or_else(|_| "containerd".to_owned());
                github::hold(&root, store.parse::<ImageStore>().map_err(bad_input)?)?;
            }
        }
        Ok(ExitCode::from(exit::OK))
    }
}

/// Measures the link and writes table and profile below `dir`.
fn calibrate(dir: &Path) -> anyhow::Result<()> {
    paths::check_out(dir)?;
    let number = |name: &str, default: usize| -> anyhow::Result<usize> {
        let Some(text) = input(name).filter(|t| !t.trim().is_empty()) else { return Ok(default) };
        let number = text.trim().parse().ok().filter(|n| (1..=4096).contains(n));
        number.ok_or_else(|| bad_input(format!("input {name}: `{text}` is not a number from 1 to 4096")))
    };
    let (mib, repeats) = (number("megabytes", 256)?, number("repeats", 3)?);
    let link = Link::from_env().map_err(bad_input)?;
    fs::create_dir_all(dir).map_err(DriverError::io("create", dir))?;
    let name = format!("handoff-calibrate-{}", crate::random_id::random_id()?);
    let found = Calibration::measure(&link, &name, mib << 20, repeats, dir).map_err(bad_input)?;
    let runner = input("runner").filter(|t| !t.trim().is_empty()).unwrap_or_else(|| "of no name".to_owned());
    let when = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    for (file, text) in
        [("calibration.md", found.table()), ("measured.toml", found.profile(&runner, &when).map_err(bad_input)?)]
    {
        let path = dir.join(file);
        files::write(&path, text.as_bytes())?;
    }
    out::data(found.table().trim_end());
    Ok(())
}

/// Deletes a cell's artifact and cache entries. Without a token, as in a rehearsal, nothing is deleted.
fn clean(sides: &Path) -> anyhow::Result<()> {
    let cell = CellJob::from_env()?;
    // A producer that has left no file has stored no layer that is known.
    let sides = if sides.exists() { github::read_sides(sides)? } else { BTreeMap::default() };
    let layers = sides.get(&cell.id).into_iter().flatten().flat_map(|s| s.cache_layers.clone()).collect();
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let (Some(token), Some(repository), Some(run)) =
        (rest::token_of_env(), variable("GITHUB_REPOSITORY"), variable("GITHUB_RUN_ID"))
    else {
        out::talk("no token: nothing is removed");
        return Ok(());
    };
    let api = Api::new(&rest::base_of_env(), &token);
    let stored = Stored { name: cell.name, layers };
    let (artifacts, caches) = handoff_github::stored::clean(&api, &repository, &run, &stored).map_err(bad_input)?;
    out::talk(&format!("removed {artifacts} artifacts and {caches} cache entries"));
    Ok(())
}

fn input(name: &str) -> Option<String> {
    std::env::var(format!("HANDOFF_INPUT_{}", name.to_uppercase())).ok()
}

/// Reads the inputs, writes plan and cells below `dir`, and hands the matrix to the workflow.
pub fn plan(dir: &Path) -> anyhow::Result<ExitCode> {
    paths::check_out(dir)?;
    let plan = plan_of_workflow(input)?;
    super::plan::tell_declared(&plan);
    let retention = input("retention").filter(|t| !t.trim().is_empty()).unwrap_or_else(|| "30".to_owned());
    let days: u32 = retention
        .trim()
        .parse()
        .ok()
        .filter(|d| (1..=90).contains(d))
        .ok_or_else(|| bad_input(format!("input retention: `{retention}` is not a number of days from 1 to 90")))?;
    let only: Vec<String> = input("only")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect();
    let cells = github::cells(&plan, &only, &runner()?, days).map_err(bad_input)?;
    fs::create_dir_all(dir).map_err(DriverError::io("create", dir))?;
    let mut text = String::from("| trial | strategy | size | workload |\n| --- | --- | --- | --- |\n");
    for cell in &cells {
        let of = &cell.trial.cell;
        let _ = writeln!(text, "| {} | {} | {} | {} |", cell.id, of.strategy, of.size, of.workload);
    }
    let needs = needs::of_runners(&plan);
    let _ = writeln!(
        text,
        "\n{} of {} trials; about {} runner minutes for the whole plan, a first guess.",
        cells.len(),
        plan.trials.len(),
        needs.minutes
    );
    for (name, bytes) in [
        ("plan.json", serde_json::to_vec_pretty(&plan)?),
        ("cells.json", serde_json::to_vec(&cells)?),
        ("plan.txt", text.clone().into_bytes()),
    ] {
        let path = dir.join(name);
        files::write(&path, &bytes)?;
    }
    out::data(text.trim_end());
    if let Some(path) = std::env::var_os("GITHUB_OUTPUT").map(PathBuf::from) {
        let lines = format!("matrix={}\nretention={days}\n", serde_json::to_string(&cells)?);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut f| f.write_all(lines.as_bytes())).map_err(DriverError::io("write", &path))?;
    }
    Ok(ExitCode::from(exit::OK))
}

/// A label, or a JSON list of labels.
fn runner() -> anyhow::Result<serde_json::Value> {
    let text = input("runner").map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let text = text.unwrap_or_else(|| "ubuntu-latest".to_owned());
    if !text.starts_with('[') {
        return Ok(text.into());
    }
    let labels: Vec<String> =
        serde_json::from_str(&text).map_err(|e| bad_input(format!("input runner: not a JSON list of labels: {e}")))?;
    Ok(labels.into())
}
