//! `handoff compare`: two runs against each other, cell by cell, with the differences of their environments.

use std::fmt::Write;
use std::path::PathBuf;

use handoff_analysis::{
    DiskDifference, Metric, RunComparison, Verdict, compare_runs, disks_differ, environments_differ, matters,
};
use handoff_model::list::{commas, grouped, unique};
use handoff_model::{Conditions, Difference, Environment};
use handoff_records::{MeasurementRow, Results};

use crate::analysed::{VerdictArgs, or_damage, read, refuse_damage};
use crate::exit::{self, bad_input, bail_input};
use crate::out;
use crate::verbs::Format;

/// Options of `compare`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results folder of the first run, the reference
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Results folder of the second run
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Exit with code 1 if a verdict is one of these
    #[arg(long, value_name = "VERDICT,...", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// Quantity that is compared: `critical_path`, transfer, produce, consume, runner
    #[arg(long, value_name = "QUANTITY", default_value = "critical_path")]
    metric: Metric,
    /// Compare although the machines or programs differ
    #[arg(long)]
    allow_different_environment: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    verdicts: VerdictArgs,
}

/// Verdict that fails the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// B is slower than A.
    Slower,
    /// B is faster than A.
    Faster,
    /// Neither is shown.
    Inconclusive,
}

impl FailOn {
    fn is(self, verdict: &Verdict) -> bool {
        match self {
            Self::Slower => *verdict == Verdict::Slower,
            Self::Faster => *verdict == Verdict::Faster,
            Self::Inconclusive => verdict.inconclusive().is_some(),
        }
    }
}

/// Comparison for programs, with the differences of the machines that its rows come from.
#[derive(Debug, serde::Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    comparison: &'a RunComparison,
    disk_differences: &'a [DiskDifference],
    environment_differences: Vec<Difference>,
}

/// Environments of a run that rows come from which `wanted` takes; all of the run where no such row names one.
fn environments(run: &Results, wanted: impl Fn(&MeasurementRow) -> bool) -> Vec<&Environment> {
    let rows: Vec<&MeasurementRow> = run.measurements.iter().filter(|row| wanted(row)).collect();
    let found: Vec<_> = run.environments.iter().filter(|e| rows.iter().any(|row| row.environment == e.id)).collect();
    if found.is_empty() { run.environments.iter().collect() } else { found }
}

/// Differences of the environments that the rows of a compared cell come from.
fn differences_of(first: &Results, second: &Results, c: &RunComparison) -> Vec<Difference> {
    let is_row = |row: &MeasurementRow| {
        row.cell().is_ok_and(|cell| {
            let key = (&cell.workload, cell.size, &cell.conditions, &cell.strategy);
            key == (&c.key.workload, c.key.size, &c.key.conditions, &c.comparison.strategy) && !cell.control
        })
    };
    environments_differ(&environments(first, is_row), &environments(second, is_row))
}

/// One line a difference of the environments, with the rows that it touches.
fn touched(all: &[RunComparison], differences: &[Vec<Difference>]) -> Vec<String> {
    let line = |(difference, names): (&Difference, Vec<String>)| {
        let rows = if names.len() == all.len() { format!("all {} rows", all.len()) } else { names.join("; ") };
        format!("environment differs in {difference}: {rows}")
    };
    let each = all.iter().zip(differences).flat_map(|(c, found)| found.iter().map(|d| (d, row_name(c))));
    grouped(each).into_iter().map(line).collect()
}

impl Args {
    /// Compares two runs and prints each comparison.
    ///
    /// # Errors
    /// Folders that cannot be read or have nothing in common, or differing environments.
    pub fn run(self) -> anyhow::Result<u8> {
        let runs = read(&[self.first.clone(), self.second.clone()])?;
        let [first, second] = runs.as_slice() else {
            return Err(bad_input("compare takes two results folders"));
        };
        let (a, b) = (&first.name, &second.name);
        let [one, two] = [first, second].map(|run| run.environments.iter().collect::<Vec<_>>());
        let mut material = environments_differ(&one, &two);
        material.retain(matters);
        if !material.is_empty() {
            let list = material.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if !self.allow_different_environment {
                // A lost environment differs from any other.
                refuse_damage(&runs)?;
                bail_input!(
                    "{a} and {b} were measured in environments that differ in {list}: measure both in one, or add --allow-different-environment"
                );
            }
            out::warn(&format!("environments differ in {list}: a verdict is on strategy and environment together"));
        }
        let disks = disks_differ(&first.environments, &second.environments);
        if !disks.is_empty() {
            let list = disks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            out::warn(&format!(
                "the disks of {a} and {b} differ by more than 20 %: {list}: a verdict is on strategy and disk together"
            ));
        }
        let options = self.verdicts.options()?;
        let all = compare_runs(&first.into(), &second.into(), self.metric, &options).map_err(bad_input);
        let all = all.and_then(|all| {
            if all.is_empty() {
                let disks = [first, second].map(disk_limits);
                let differ = if disks[0] == disks[1] { String::new() } else { format!(" (disk limits: {})", disks.join("; ")) };
                bail_input!(
                    "{a} and {b} have no cell in common with completed trials{differ}: compare runs of the same sizes, strategies and conditions"
                );
            }
            Ok(all)
        });
        let all = or_damage(&runs, all)?;
        let differences: Vec<Vec<Difference>> = all.iter().map(|c| differences_of(first, second, c)).collect();
        match self.format {
            Format::Json => {
                let one = |(comparison, environment_differences)| Document {
                    comparison,
                    disk_differences: &disks,
                    environment_differences,
                };
                out::data(&serde_json::to_string_pretty(&all.iter().zip(differences).map(one).collect::<Vec<_>>())?);
            }
            Format::Text => {
                let lines = all.iter().map(|c| line(c, self.metric));
                for line in lines.chain(touched(&all, &differences)) {
                    out::data(&line);
                }
            }
        }
        refuse_damage(&runs)?;
        let fails = all.iter().any(|c| self.fail_on.iter().any(|f| f.is(&c.comparison.verdict)));
        Ok(if fails { exit::TRIALS_FAILED } else { exit::OK })
    }
}

/// Limits of the jobs' disk of a run's rows: rows of one profile may have been measured with another limit.
fn disk_limits(run: &Results) -> String {
    commas(unique(run.measurements.iter().map(|row| row.disk_limit)))
}

/// Name of a compared row: strategy, size, workload and conditions.
fn row_name(c: &RunComparison) -> String {
    let Conditions { image_store, builder, consumers, .. } = &c.key.conditions;
    let profile = c.key.conditions.profile_and_disk();
    let (strategy, size, workload) = (&c.comparison.strategy, c.key.size, &c.key.workload);
    format!("{strategy} {size} {workload} {image_store}/{builder}/{profile} consumers {consumers}")
}

fn line(c: &RunComparison, metric: Metric) -> String {
    let RunComparison { n_first, n_second, comparison, .. } = c;
    let mut text = format!("{}: {}", row_name(c), comparison.verdict.word());
    if let Some(shift) = comparison.shift_s {
        let level = 100.0 * (1.0 - comparison.level);
        let ends = match (shift.low, shift.high) {
            (Some(low), Some(high)) => format!(" [{low:+.2} to {high:+.2}] at {level:.2} %"),
            _ => " [no interval]".to_owned(),
        };
        let _ = write!(text, ", {} {:+.2} s{ends}", metric.words(), shift.value);
    }
    let _ = write!(text, ", n {n_first} and {n_second}");
    if let Some(p) = comparison.p_adjusted {
        let _ = write!(text, ", p {p:.4} (Holm)");
    }
    if let Some(missing) = comparison.verdict.inconclusive() {
        let _ = write!(text, " ({}; at least {} rounds each", missing.why.words(), missing.rounds_at_least);
        if let Some(rounds) = missing.rounds_estimated {
            let _ = write!(text, ", about {rounds} by the spread seen");
        }
        text.push(')');
    }
    text
}
