//! `handoff plan`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use handoff_driver::environment::free_bytes;
use handoff_driver::{needs, workspace};
use handoff_model::{ByteSize, Plan};

use crate::args::PlanArgs;
use crate::exit::{self, bad_input};
use crate::out;
use crate::progress::human;
use crate::verbs::{Format, github};

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Where engines would keep their data
    #[arg(long, value_name = "DIR", env = "HANDOFF_WORK_DIR", default_value = workspace::DEFAULT_WORK_DIR)]
    work_dir: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Plan a run on GitHub from its inputs (`HANDOFF_INPUT_SIZES` and so on, no other option counts), write it below --out,
    /// and the matrix to the step's outputs
    #[arg(long)]
    github: bool,
    /// Folder for the plan of a run on GitHub
    #[arg(long, value_name = "DIR", default_value = "handoff-plan", requires = "github")]
    out: PathBuf,
}

/// Bytes for people, in GiB.
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / ByteSize::GIB as f64)
}

/// Refuses a plan that the disk cannot hold.
pub fn check_disk(plan: &Plan, work_dir: &Path) -> anyhow::Result<()> {
    let needs = needs::of(&plan.trials);
    let free = free_bytes(work_dir);
    if free >= needs.disk_bytes {
        return Ok(());
    }
    Err(bad_input(format!(
        "the largest trial needs {} free, {} has {}: free some, use smaller --sizes, or another --work-dir",
        gib(needs.disk_bytes),
        work_dir.display(),
        gib(free)
    )))
}

impl Args {
    /// Prints the plan.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.github {
            return github::plan(&self.out);
        }
        let plan = self.plan.plan(None)?;
        let needs = needs::of(&plan.trials);
        if self.format == Format::Json {
            let json = serde_json::json!({ "plan": plan, "needs": needs });
            out::data(&serde_json::to_string_pretty(&json)?);
            return Ok(ExitCode::from(exit::OK));
        }
        for trial in &plan.trials {
            let cell = &trial.cell;
            out::data(&format!(
                "{:>4}  round {}  {:<24} {:>9}  {}  {} store, {} builder, {}, {} consumer{}{}",
                trial.position,
                trial.round,
                cell.strategy.to_string(),
                cell.size.to_string(),
                cell.workload,
                cell.conditions.image_store,
                cell.conditions.builder,
                cell.conditions.profile,
                cell.conditions.consumers,
                if cell.conditions.consumers == 1 { "" } else { "s" },
                if cell.control { ", control" } else { "" },
            ));
        }
        let free = free_bytes(&self.work_dir);
        out::data(&format!(
            "{} trials in {} rounds, order from seed {}",
            needs.trials, plan.request.rounds, plan.request.seed
        ));
        out::data(&format!(
            "disk    {} needed at once, {} free below {}",
            gib(needs.disk_bytes),
            gib(free),
            self.work_dir.display()
        ));
        out::data(&format!("written at most about {} in all", gib(needs.written_bytes)));
        let estimate = human(Duration::from_secs(needs.estimate_s));
        out::data(&format!("time    about {estimate}: a first guess, `run` corrects it as trials end"));
        let runners = needs::of_runners(&plan);
        out::data(&format!(
            "GitHub  about {} runner minutes in {} jobs if the same ran there: a first guess",
            runners.minutes, runners.jobs
        ));
        check_disk(&plan, &self.work_dir)?;
        Ok(ExitCode::from(exit::OK))
    }
}
