//! Removal of a cell's artifacts and cache entries, so that every cell starts with the same quota.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::Result;
use crate::cell::CellJob;
use crate::job::read_files;
use crate::remote::text;
use crate::rest::{Api, RestError, variable};

const NEEDS: &str = "`actions: write`";

/// Deletes the artifacts and cache entries of a cell, after the file of its producer in `files`. Returns their numbers; none
/// without a token, as in a rehearsal, which deletes nothing.
///
/// # Errors
/// A job's file cannot be read, or GitHub's API fails.
pub fn clean_up(cell: &CellJob, files: &Path) -> Result<Option<(usize, usize)>> {
    let files = if files.exists() { read_files(files)? } else { BTreeMap::default() };
    let layers: Vec<String> = files.get(&cell.id).into_iter().flatten().flat_map(|f| f.cache_layers.clone()).collect();
    let (Some(api), Some(repository), Some(run)) =
        (Api::of_job(), variable("GITHUB_REPOSITORY"), variable("GITHUB_RUN_ID"))
    else {
        return Ok(None);
    };
    Ok(Some(delete(&api, &repository, &run, &cell.name, &layers)?))
}

/// Deletes a cell's artifacts and cache entries and counts both. `name` is the name of its artifact, the key of its cache
/// entry, and the scope of its builder's cache; `layers` are hex digests of the layers in that cache.
fn delete(api: &Api, repository: &str, run: &str, name: &str, layers: &[String]) -> Result<(usize, usize), RestError> {
    let above = format!("repos/{repository}/actions");
    let id = |entry: &Value| entry.get("id").and_then(Value::as_u64);
    let mut counts = (0, 0);
    let path = format!("{above}/runs/{run}/artifacts?name={name}");
    let artifacts = api.list("the run's artifacts", NEEDS, &path, "artifacts")?;
    for artifact in artifacts.iter().filter(|a| text(a, "name") == name).filter_map(id) {
        api.delete("the cell's artifact", NEEDS, &format!("{above}/artifacts/{artifact}"))?;
        counts.0 += 1;
    }
    let caches = api.list("the repository's caches", NEEDS, &format!("{above}/caches"), "actions_caches")?;
    let ours = |key: &str| key.contains(name) || layers.iter().any(|layer| key.contains(layer.as_str()));
    for cache in caches.iter().filter(|c| ours(&text(c, "key"))).filter_map(id) {
        api.delete("the cell's cache entry", NEEDS, &format!("{above}/caches/{cache}"))?;
        counts.1 += 1;
    }
    Ok(counts)
}
