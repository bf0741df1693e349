//! The inputs of the workflow: as a job of it reads them, and as they are made of a results folder.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use handoff_records::{Journal, PLAN};
use serde_json::Value;

use crate::{GithubError, Result};

/// What is given warnings.
pub type Warn<'a> = &'a mut dyn FnMut(&str);

/// The value of an input, if the workflow was given one.
pub fn input(name: &str) -> Option<String> {
    let text = std::env::var(format!("HANDOFF_INPUT_{}", name.to_uppercase())).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// An input that is a number, or what it is where it is not given; `what` names it in an error.
pub(crate) fn number(name: &str, default: u32, allowed: RangeInclusive<u32>, what: &str) -> Result<u32> {
    let Some(text) = input(name) else { return Ok(default) };
    let (from, to) = (allowed.start(), allowed.end());
    let error = || GithubError::Input(format!("input {name}: `{text}` is not a number{what} from {from} to {to}"));
    text.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(error)
}

/// The trials that the workflow runs of its plan; none named: all.
pub(crate) fn only() -> Vec<String> {
    let text = input("only").unwrap_or_default();
    text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// The runners' label, or a list of labels.
pub(crate) fn runner() -> Result<Value> {
    let text = input("runner").unwrap_or_else(|| "ubuntu-latest".to_owned());
    if !text.starts_with('[') {
        return Ok(text.into());
    }
    let labels: Vec<String> = serde_json::from_str(&text)
        .map_err(|e| GithubError::Input(format!("input runner: not a JSON list of labels: {e}")))?;
    Ok(labels.into())
}

/// The inputs that make the plan of a results folder again, for the trials that it lacks; none where it lacks none. What `warn` is
/// given, a crash had left in the folder.
///
/// # Errors
/// A folder without a plan, or one that cannot be used.
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

/// Opens a results folder to go on with; `warn` is given what a crash had left in it.
pub(crate) fn open(dir: &Path, warn: Warn<'_>) -> Result<Journal> {
    let (journal, _) = Journal::open(dir)?;
    for repair in journal.repairs() {
        warn(&format!("{}/{repair}", dir.display()));
    }
    Ok(journal)
}
