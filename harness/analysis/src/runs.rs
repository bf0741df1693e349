//! Two runs against each other, cell by cell: what `compare` says.

use handoff_model::Environment;

use crate::compare::between;
use crate::group::{GroupKey, RunComparison};
use crate::input::{InputError, RunRows, refuse_duplicates};
use crate::metric::Metric;
use crate::options::Options;
use crate::summary::{CellSummary, summaries_of};

/// What two runs say of the cells that both have, the second against the first.
///
/// Their rounds are no pairs, so that the test is unpaired; all cells are one family. What differs between the runs
/// beside the cells (time of day, version) is not told apart from a difference of the strategy.
///
/// # Errors
/// A trial that is in both.
pub fn compare_runs(
    first: &RunRows<'_>,
    second: &RunRows<'_>,
    metric: Metric,
    options: &Options,
) -> Result<Vec<RunComparison>, InputError> {
    refuse_duplicates(&[*first, *second])?;
    let (before, after) = (summaries_of(&[*first]), summaries_of(&[*second]));
    let has = |c: &CellSummary| !c.cell.control && c.spread(metric).is_some();
    let both: Vec<(&CellSummary, &CellSummary)> = before
        .iter()
        .filter(|a| has(a))
        .filter_map(|a| Some((a, after.iter().find(|b| b.cell == a.cell && has(b))?)))
        .collect();
    let one = |((a, b), comparison): (&(&CellSummary, &CellSummary), _)| RunComparison {
        key: GroupKey { workload: a.cell.workload.clone(), size: a.cell.size, conditions: a.cell.conditions.clone() },
        n_first: a.spread(metric).map_or(0, crate::spread::Spread::n),
        n_second: b.spread(metric).map_or(0, crate::spread::Spread::n),
        comparison,
    };
    Ok(both.iter().zip(between(&both, metric, options)).map(one).collect())
}

/// What matters in an environment: a difference in one of these is a difference of what is measured.
const PROGRAMS: [&str; 10] = [
    "dockerd",
    "engine",
    "buildx",
    "buildkit",
    "containerd",
    "runc",
    "storage driver",
    "zstd",
    "@actions/artifact",
    "@actions/cache",
];

/// In what the environments of two runs differ that matters, by name, each with both values.
pub fn environments_differ(first: &[Environment], second: &[Environment]) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    let mut compare = |name: &str, of: &dyn Fn(&Environment) -> String| {
        let list = |environments: &[Environment]| {
            let mut values: Vec<String> = environments.iter().map(of).collect();
            values.sort();
            values.dedup();
            values.join(" and ")
        };
        let (a, b) = (list(first), list(second));
        if a != b {
            all.push((name.to_owned(), a, b));
        }
    };
    compare("cpu", &|e| e.cpu.clone());
    compare("cores", &|e| e.cores.to_string());
    // A machine's memory differs by some pages from boot to boot.
    compare("memory", &|e| format!("{} GiB", (e.memory_bytes as f64 / f64::from(1 << 30)).round()));
    // Free space in the same text says nothing about speed.
    compare("disk", &|e| e.disk.split(',').next().unwrap_or_default().to_owned());
    compare("service store", &|e| e.service_store.clone());
    compare("kernel", &|e| e.kernel.clone());
    for program in PROGRAMS {
        compare(program, &|e| e.programs.get(program).cloned().unwrap_or_else(|| "none".to_owned()));
    }
    all
}
