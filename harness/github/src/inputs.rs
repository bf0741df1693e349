//! Inputs of the workflow: read in a job, or derived from a results folder.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use handoff_records::{Journal, PLAN};
use serde_json::Value;

use crate::{GithubError, Result};

/// Receiver of warnings.
pub type Warn<'a> = &'a mut dyn FnMut(&str);

/// Value of an input; none if it is empty.
pub fn input(name: &str) -> Option<String> {
    let text = std::env::var(format!("HANDOFF_INPUT_{}", name.to_uppercase())).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Value of a numeric input, or its default; `what` describes the number in an error.
pub(crate) fn number(name: &str, default: u32, allowed: RangeInclusive<u32>, what: &str) -> Result<u32> {
    let Some(text) = input(name) else { return Ok(default) };
    let (from, to) = (allowed.start(), allowed.end());
    let error = || GithubError::Input(format!("input {name}: `{text}` is not a number{what} from {from} to {to}"));
    text.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(error)
}

/// Trials of the plan to run; empty for all.
pub(crate) fn only() -> Vec<String> {
    let text = input("only").unwrap_or_default();
    text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// Label of the runners, or a list of labels.
pub(crate) fn runner() -> Result<Value> {
    let text = input("runner").unwrap_or_else(|| "ubuntu-latest".to_owned());
    if !text.starts_with('[') {
        return Ok(text.into());
    }
    let labels: Vec<String> = serde_json::from_str(&text)
        .map_err(|e| GithubError::Input(format!("input runner: `{text}` is not a JSON list of labels: {e}")))?;
    Ok(labels.into())
}

/// Inputs that repeat the plan of a results folder for its missing trials; none if no trial is missing. `warn` gets each
/// repair of the folder after a crash.
///
/// # Errors
/// The folder has no plan, or cannot be used.
pub fn outstanding(dir: &Path, warn: Warn<'_>) -> Result<Option<BTreeMap<String, String>>> {
    if !dir.join(PLAN).exists() {
        return Err(GithubError::Input(format!("{} holds no plan: leave --outstanding out", dir.display())));
    }
    let journal = open(dir, warn)?;
    let only: Vec<&str> = journal.remaining().map(|t| t.id.as_str()).collect();
    if only.is_empty() {
        return Ok(None);
    }
    let mut inputs = handoff_experiment::workflow_inputs(&journal.plan().request);
    inputs.insert("only".to_owned(), only.join(","));
    Ok(Some(inputs))
}

/// Opens a results folder; `warn` gets each repair after a crash.
pub(crate) fn open(dir: &Path, warn: Warn<'_>) -> Result<Journal> {
    let (journal, _) = Journal::open(dir)?;
    for repair in journal.repairs() {
        warn(&format!("{}/{repair}", dir.display()));
    }
    Ok(journal)
}
