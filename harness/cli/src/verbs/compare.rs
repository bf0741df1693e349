//! `handoff compare`: two runs against each other, cell by cell.

use std::fmt::Write;
use std::path::PathBuf;

use handoff_analysis::{
    DiskDifference, Metric, RunComparison, Verdict, compare_runs, disks_differ, environments_differ,
};
use handoff_model::Conditions;

use crate::analysed::{VerdictArgs, or_damage, read, refuse_damage, rows};
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

/// A verdict that fails.
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

/// One comparison for programs, with what its verdict has to be taken with.
#[derive(Debug, serde::Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    comparison: &'a RunComparison,
    disk_differences: &'a [DiskDifference],
}

impl Args {
    /// Compares two runs and prints each comparison.
    ///
    /// # Errors
    /// Folders that cannot be read or have nothing in common, or differing environments.
    pub fn run(self) -> anyhow::Result<u8> {
        let runs = read(&[self.first.clone(), self.second.clone()])?;
        let [(a, first), (b, second)] = runs.as_slice() else {
            return Err(bad_input("compare takes two results folders"));
        };
        let differences = environments_differ(&first.environments, &second.environments);
        if !differences.is_empty() {
            let list = differences.iter().map(|(n, x, y)| format!("{n} ({x}; {y})")).collect::<Vec<_>>().join(", ");
            if !self.allow_different_environment {
                // An environment that is lost differs from any.
                refuse_damage([first, second])?;
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
        let all = compare_runs(&rows(a, first), &rows(b, second), self.metric, &options).map_err(bad_input);
        let all = all.and_then(|all| {
            if all.is_empty() {
                bail_input!(
                    "{a} and {b} have no cell in common with completed trials: compare runs of the same sizes, strategies and conditions"
                );
            }
            Ok(all)
        });
        let all = or_damage([first, second], all)?;
        match self.format {
            Format::Json => {
                let one = |comparison| Document { comparison, disk_differences: &disks };
                out::data(&serde_json::to_string_pretty(&all.iter().map(one).collect::<Vec<_>>())?);
            }
            Format::Text => all.iter().for_each(|c| out::data(&line(c, self.metric))),
        }
        refuse_damage([first, second])?;
        let fails = all.iter().any(|c| self.fail_on.iter().any(|f| f.is(&c.comparison.verdict)));
        Ok(if fails { exit::TRIALS_FAILED } else { exit::OK })
    }
}

fn line(c: &RunComparison, metric: Metric) -> String {
    let RunComparison { key, n_first, n_second, comparison } = c;
    let Conditions { image_store, builder, profile, consumers, .. } = &key.conditions;
    let (strategy, size, workload) = (&comparison.strategy, key.size, &key.workload);
    let verdict = comparison.verdict.word();
    let mut text =
        format!("{strategy} {size} {workload} {image_store}/{builder}/{profile} consumers {consumers}: {verdict}");
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
