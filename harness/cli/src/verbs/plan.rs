//! `handoff plan`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_analysis::plural;
use handoff_machine::free_bytes;
use handoff_model::duration::human;
use handoff_model::list::grouped;
use handoff_model::{ByteSize, CacheState, Cell, Conditions, EngineVersion, Plan};
use handoff_runner::estimate::Estimator;
use handoff_runner::{needs, workspace};
use serde::Serialize;

use crate::args::{PlanArgs, tell_declared};
use crate::exit::{self, bad_input, bail_input};
use crate::out;
use crate::paths;
use crate::verbs::{Format, github};

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Folder for the engines' data
    #[arg(long, value_name = "DIR", env = "HANDOFF_WORK_DIR", default_value = workspace::DEFAULT_WORK_DIR)]
    work_dir: PathBuf,
    /// List the presets and the questions that they answer
    #[arg(long, conflicts_with = "matrix")]
    list: bool,
    /// Also print the trials in their order
    #[arg(long)]
    order: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Plan a run on GitHub from the variables `HANDOFF_INPUT_SIZES` and so on. The plan goes to --out, the matrix to the
    /// outputs of the step; other options are ignored
    #[arg(long)]
    github: bool,
    /// Folder for the plan of a run on GitHub
    #[arg(long, value_name = "DIR", default_value = "handoff-plan", requires = "github")]
    out: PathBuf,
}

/// Text of bytes in GiB.
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / ByteSize::GIB as f64)
}

/// Content of the caches before a trial, where its strategy uses them.
fn caches(cell: &Cell) -> String {
    let state = cell.conditions.cache_state;
    let nothing = state != CacheState::Cold && !needs::has_warm_up(cell);
    format!("{state} caches{}", if nothing { " (it stores nothing that outlives a run)" } else { "" })
}

fn consumers(conditions: &Conditions) -> String {
    let Conditions { consumers, consumer_concurrency, .. } = conditions;
    let jobs = plural(*consumers as usize, "consumer", "consumers");
    let at_once = if *consumer_concurrency > 1 { format!(", {consumer_concurrency} at once") } else { String::new() };
    format!("{jobs}{at_once}")
}

/// Refuses a plan that needs more disk space than is free.
///
/// # Errors
/// The needed and the free space.
pub fn check_disk(plan: &Plan, work_dir: &Path) -> anyhow::Result<()> {
    let needs = needs::of(&needs::sized_trials(plan));
    let free = free_bytes(work_dir)?;
    if free >= needs.least_disk_bytes {
        return Ok(());
    }
    let smaller = if plan.request.user_image.is_some() { "" } else { " use smaller --sizes," };
    let (needed, free, dir) = (gib(needs.least_disk_bytes), gib(free), work_dir.display());
    bail_input!(
        "the largest trial needs {needed} free, {dir} has {free}: free some,{smaller} or name another --work-dir"
    )
}

/// Sentence on the disk space that the plan needs.
fn disk(plan: &Plan, needs: &needs::Needs, work_dir: &Path) -> anyhow::Result<String> {
    let free = format!("{} free below {}", gib(free_bytes(work_dir)?), work_dir.display());
    let (needed, assumed) = (gib(needs.disk_bytes), needs::ASSUMED);
    if needs.least_disk_bytes == needs.disk_bytes {
        return Ok(format!("disk    {needed} needed at once, {free}"));
    }
    let user_image = plan.request.user_image.as_ref().map_or_else(|| "the image".to_owned(), ToString::to_string);
    Ok(format!(
        "disk    {needed} needed at once for an image of {assumed}, {free}; how large {user_image} gets is unknown until it is built"
    ))
}

/// Cell of the plan with the sums of its trials.
#[derive(Debug, Serialize)]
struct CellLine {
    #[serde(flatten)]
    cell: Cell,
    trials: u32,
    estimate_s: f64,
}

/// Cells in the order of their first trials.
fn cells(plan: &Plan) -> Vec<CellLine> {
    let mut estimator = Estimator::default();
    let each = plan.trials.iter().map(|trial| {
        let trial = needs::sized(trial, plan.request.user_image.as_ref());
        (trial.cell.clone(), estimator.seconds(&trial))
    });
    let line =
        |(cell, each): (Cell, Vec<f64>)| CellLine { cell, trials: each.len() as u32, estimate_s: each.iter().sum() };
    let mut lines: Vec<CellLine> = grouped(each).into_iter().map(line).collect();
    lines.sort_by(|a, b| {
        (&a.cell.conditions, &a.cell.workload, a.cell.size).cmp(&(&b.cell.conditions, &b.cell.workload, b.cell.size))
    });
    lines
}

fn show(line: &CellLine) -> String {
    let CellLine { cell, trials, estimate_s } = line;
    let Conditions { image_store, builder, .. } = &cell.conditions;
    let profile = cell.conditions.profile_and_disk();
    let each = human(Duration::from_secs_f64(estimate_s / f64::from(*trials)));
    let (strategy, size, workload) = (cell.strategy.to_string(), cell.size.to_string(), &cell.workload);
    let (caches, consumers) = (caches(cell), consumers(&cell.conditions));
    let docker = match cell.conditions.engine_version {
        EngineVersion::Installed => String::new(),
        EngineVersion::Major(major) => format!("Docker {major}, "),
    };
    let control = if cell.control { ", control" } else { "" };
    format!(
        "{trials:>3} x {strategy:<24} {size:>9}  {workload}  {docker}{image_store} store, {builder} builder, {profile}, {caches}, \
         {consumers}{control}  about {each} each"
    )
}

fn list() -> anyhow::Result<u8> {
    for matrix in handoff_experiment::presets()? {
        out::data(&format!("{}: {}\n    {}\n", matrix.name, matrix.summary, matrix.answers.replace('\n', "\n    ")));
    }
    out::data(
        "run one with `handoff run NAME`, see what it takes with `handoff plan NAME`; docs/matrix.md has the keys of a file",
    );
    Ok(exit::OK)
}

impl Args {
    /// Prints the plan.
    ///
    /// # Errors
    /// Options that make no plan.
    pub fn run(self) -> anyhow::Result<u8> {
        if self.github {
            return github::plan(&self.out);
        }
        if self.list {
            return list();
        }
        paths::check_environment()?;
        paths::check_work_dir(&std::path::absolute(&self.work_dir).map_err(bad_input)?)?;
        self.plan.tell_overrides()?;
        let plan = self.plan.plan(None)?;
        tell_declared(&plan);
        let needs = needs::of(&needs::sized_trials(&plan));
        let cells = cells(&plan);
        if self.format == Format::Json {
            let families = handoff_analysis::declared::families(&plan.request, &plan.facts);
            let fix = handoff_experiment::fix(&families);
            let declared = serde_json::json!({ "families": families, "fix": fix });
            let json = serde_json::json!({ "plan": plan, "cells": cells, "needs": needs, "declared": declared });
            out::data(&serde_json::to_string_pretty(&json)?);
            check_disk(&plan, &self.work_dir)?;
            return Ok(exit::OK);
        }
        let user_image = plan.request.user_image.as_ref();
        for line in &cells {
            let left_out = needs::lacks_sources(user_image, &line.cell.strategy);
            out::data(&left_out.map_or_else(|| show(line), |reason| format!("{}: not run, it {reason}", show(line))));
        }
        if self.order {
            for trial in &plan.trials {
                out::data(&format!("{:>4}  round {}  {}", trial.position, trial.round, trial.id));
            }
        }
        let (trials, cells, rounds, seed) = (needs.trials, cells.len(), plan.request.rounds, plan.request.seed);
        out::data(&format!("{trials} trials of {cells} cells in {rounds} rounds, order from seed {seed}"));
        out::data(&disk(&plan, &needs, &self.work_dir)?);
        match user_image.map(|user_image| (user_image, user_image.known_bytes())) {
            Some((user_image, Some(bytes))) => {
                out::data(&format!("size    {user_image} has {} in your daemon", ByteSize(bytes)));
            }
            Some((user_image, None)) => {
                let assumed = format!("{} is assumed for disk and time", needs::ASSUMED);
                out::data(&format!("size    that of {user_image} is unknown until it is built: {assumed}"));
            }
            None => {}
        }
        out::data(&format!("written at most about {} in all", gib(needs.written_bytes)));
        let estimate = human(Duration::from_secs(needs.estimate_s));
        out::data(&format!(
            "time    about {estimate}: an estimate from a reference run and the profile's arithmetic, `run` corrects it as trials end"
        ));
        let runners = needs::of_runners(&plan);
        let (minutes, jobs) = (runners.minutes, runners.jobs);
        out::data(&format!(
            "GitHub  about {minutes} runner minutes in {jobs} jobs if the same ran there: a first guess"
        ));
        check_disk(&plan, &self.work_dir)?;
        Ok(exit::OK)
    }
}
