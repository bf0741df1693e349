//! The whole analysis.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::decisions::{BreakEven, StorageUse};
use crate::group::{FanOutCurve, Group, GroupKey, Pooled, Ranking};
use crate::input::{InputError, RunRows, refuse_duplicates};
use crate::options::Options;
use crate::summary::{CellSummary, summaries_of};

/// Everything that follows from the rows of some runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// The runs, in the order given.
    pub runs: Vec<String>,
    /// What was decided beforehand.
    pub options: Options,
    /// Cells that may be compared, group by group.
    pub groups: Vec<Group>,
    /// Strategies against the reference over all sizes; only where a workload and conditions have several.
    pub pooled: Vec<Pooled>,
    /// When sharing pays: one a cell of a strategy with a producer, in groups that have `rebuild`.
    pub break_even: Vec<BreakEven>,
    /// How strategies do as more jobs share the image.
    pub fan_out: Vec<FanOutCurve>,
    /// What strategies leave in the services.
    pub storage: Vec<StorageUse>,
}

impl Analysis {
    /// Every cell's summary.
    pub fn cells(&self) -> impl Iterator<Item = &CellSummary> {
        self.groups.iter().flat_map(|g| &g.cells)
    }
}

/// Analyses the rows of one or several runs.
///
/// # Errors
/// A trial that is there twice.
pub fn analyse(runs: &[RunRows<'_>], options: &Options) -> Result<Analysis, InputError> {
    refuse_duplicates(runs)?;
    let mut groups: BTreeMap<GroupKey, Vec<CellSummary>> = BTreeMap::new();
    for summary in summaries_of(runs) {
        let key = GroupKey {
            workload: summary.cell.workload.clone(),
            size: summary.cell.size,
            conditions: summary.cell.conditions.clone(),
        };
        groups.entry(key).or_default().push(summary);
    }
    let groups = groups
        .into_iter()
        .map(|(key, cells)| Group {
            key,
            cells,
            reference: None,
            families: Vec::new(),
            pairs: None,
            ranking: Ranking { places: Vec::new(), unranked: Vec::new() },
            noise: None,
            drift: Vec::new(),
            spans: Vec::new(),
        })
        .collect();
    Ok(Analysis {
        runs: runs.iter().map(|r| r.run.to_owned()).collect(),
        options: options.clone(),
        groups,
        pooled: Vec::new(),
        break_even: Vec::new(),
        fan_out: Vec::new(),
        storage: Vec::new(),
    })
}
