//! Rows of more than one environment that are analysed together.

use std::fmt;

use handoff_model::Environment;
use handoff_model::list::unique;
use handoff_records::MeasurementRow;
use serde::Serialize;

use crate::number::plural;

/// Environments whose rows are analysed together, with their differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mix {
    /// Environments that rows come from, in the order of the records.
    pub environments: Vec<MixedEnvironment>,
    /// Their differences; empty where none is recorded.
    pub differences: Vec<MixedValues>,
}

/// Environment of a mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MixedEnvironment {
    /// Id: the `environment` column.
    pub id: String,
    /// Trials that have a row from it.
    pub trials: usize,
}

/// Difference of the environments of a mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MixedValues {
    /// Name of what differs.
    pub name: String,
    /// Values, in the order of the environments.
    pub values: Vec<String>,
}

/// Environments that trials come from; none where it is one only. Environments of one identity count as one, whatever
/// their ids.
pub fn mix<'a>(
    rows: impl IntoIterator<Item = &'a MeasurementRow>,
    recorded: impl IntoIterator<Item = &'a Environment>,
) -> Option<Mix> {
    let recorded: Vec<&Environment> = recorded.into_iter().collect();
    let mut used: Vec<(&str, Option<&Environment>, usize)> = Vec::new();
    for row in rows {
        let found = recorded.iter().find(|e| e.id == row.environment).copied();
        let same = |(id, environment, _): &(&str, Option<&Environment>, usize)| match (environment, found) {
            (Some(a), Some(b)) => a.differences(b).is_empty(),
            _ => *id == row.environment,
        };
        match used.iter().position(same) {
            Some(at) => used[at].2 += 1,
            None => used.push((&row.environment, found, 1)),
        }
    }
    if used.len() < 2 {
        return None;
    }
    let order = |id: &str| recorded.iter().position(|e| e.id == id).unwrap_or(usize::MAX);
    used.sort_by_key(|(id, ..)| order(id));
    let known: Vec<&Environment> = used.iter().filter_map(|(_, environment, _)| *environment).collect();
    let names = unique(known.iter().flat_map(|e| known[0].differences(e)).map(|difference| difference.name));
    let value = |e: &Environment, name: &str| {
        let found = e.identity().into_iter().find(|(n, _)| n == name);
        found.map_or_else(|| "none".to_owned(), |(_, value)| value)
    };
    let values = |name: String| MixedValues { values: known.iter().map(|e| value(e, &name)).collect(), name };
    Some(Mix {
        differences: names.into_iter().map(values).collect(),
        environments: used.into_iter().map(|(id, _, trials)| MixedEnvironment { id: id.to_owned(), trials }).collect(),
    })
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |e: &MixedEnvironment| format!("{} ({})", e.id, plural(e.trials, "trial", "trials"));
        let each: Vec<String> = self.environments.iter().map(one).collect();
        write!(f, "Rows of {} environments are mixed here: {}. ", each.len(), each.join(", "))?;
        if self.differences.is_empty() {
            return write!(f, "Their differences are not recorded.");
        }
        let values = |d: &MixedValues| format!("{} ({})", d.name, d.values.join("; "));
        write!(f, "They differ in {}.", self.differences.iter().map(values).collect::<Vec<_>>().join(", "))
    }
}
