//! Two runs against each other, cell by cell.

use std::collections::BTreeSet;

use handoff_model::environment::ENGINE_VERSION;
use handoff_model::list::unique;
use handoff_model::{Difference, DiskSpeed, Environment};
use serde::Serialize;

use crate::compare::between;
use crate::group::{GroupKey, RunComparison};
use crate::input::{InputError, RunRows, refuse_duplicates};
use crate::metric::Metric;
use crate::options::Options;
use crate::summary::{CellSummary, summaries_of};

/// Comparison of the cells that two runs share, the second run against the first.
///
/// The test is unpaired, because rounds of two runs are no pairs. All cells are one family. A difference between the runs
/// themselves (time of day, version) cannot be distinguished from a difference of the strategy.
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
        key: GroupKey::of(&a.cell),
        n_first: a.spread(metric).map_or(0, crate::spread::Spread::n),
        n_second: b.spread(metric).map_or(0, crate::spread::Spread::n),
        comparison,
    };
    Ok(both.iter().zip(between(&both, metric, options)).map(one).collect())
}

/// Names of what matters in an environment: a difference in one of these is a difference of what is measured.
const THAT_MATTER: [&str; 16] = [
    "cpu",
    "cores",
    "memory",
    "disk",
    "service store",
    "kernel",
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

/// Whether a difference of environments is a difference of what is measured.
pub fn matters(difference: &Difference) -> bool {
    let program =
        difference.name.split_once(&format!(" ({ENGINE_VERSION} ")).map_or(&*difference.name, |(name, _)| name);
    THAT_MATTER.contains(&program)
}

/// Differences of the environments of two runs: those that matter first, each with the values of all environments of a run.
pub fn environments_differ(first: &[&Environment], second: &[&Environment]) -> Vec<Difference> {
    let identities = first.iter().chain(second).flat_map(|e| e.identity()).map(|(name, _)| name);
    let values = |environments: &[&Environment], name: &str| {
        let value = |e: &&Environment| e.identity().into_iter().find(|(n, _)| n == name).map(|(_, value)| value);
        let values: BTreeSet<String> =
            environments.iter().map(|e| value(e).unwrap_or_else(|| "none".to_owned())).collect();
        values.into_iter().collect::<Vec<_>>().join(" and ")
    };
    unique(THAT_MATTER.map(str::to_owned).into_iter().chain(identities))
        .into_iter()
        .map(|name| Difference { first: values(first, &name), second: values(second, &name), name })
        .filter(|d| d.first != d.second)
        .collect()
}

/// Largest ratio of two disks' rates that is no difference.
const DISK_TOLERANCE: f64 = 1.2;

/// Rate in which the disks of two runs differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiskDifference {
    /// `write_mib_per_s` or `files_per_s`.
    pub name: &'static str,
    /// Rate of the first run.
    pub first: f64,
    /// Rate of the second run.
    pub second: f64,
}

impl std::fmt::Display for DiskDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = if self.name == "files_per_s" { "small files/s" } else { "MiB/s of sequential write" };
        let change = 100.0 * (self.second / self.first - 1.0);
        write!(f, "{:.0} and {:.0} {unit} ({change:+.0} %)", self.first, self.second)
    }
}

/// Rates in which the disks of two runs differ by more than 20 %, as measured before their first trials. A run with several
/// measurements counts by their median; a run without any has no difference.
pub fn disks_differ(first: &[Environment], second: &[Environment]) -> Vec<DiskDifference> {
    type Rate = fn(&DiskSpeed) -> f64;
    let of = |environments: &[Environment], rate: Rate| {
        let speeds = environments.iter().filter_map(|e| e.disk_speed.as_ref()?.speed());
        let mut rates: Vec<f64> = speeds.map(rate).filter(|r| *r > 0.0).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    };
    let rates: [(&'static str, Rate); 2] =
        [("write_mib_per_s", DiskSpeed::write_mib_per_s), ("files_per_s", DiskSpeed::files_per_s)];
    let both = rates
        .into_iter()
        .filter_map(|(name, rate)| Some(DiskDifference { name, first: of(first, rate)?, second: of(second, rate)? }));
    both.filter(|d| d.first.max(d.second) / d.first.min(d.second) > DISK_TOLERANCE).collect()
}
