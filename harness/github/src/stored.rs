//! Removing what a cell has stored, so that the next one finds the same room.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::GithubError;
use crate::cell::CellJob;
use crate::job::read_files;
use crate::rest::{Api, RestError, variable};

const NEEDS: &str = "`actions: write`";

/// What a cell has stored.
struct Stored {
    /// The name of its artifact, the key of its cache entry, the scope of its builder's cache.
    name: String,
    /// Layers that the builder put into the cache, as hex digests.
    layers: Vec<String>,
}

/// Deletes what a cell has stored, by what its producer's file in `files` says of it, and counts artifacts and cache entries. None
/// without a token, as in a rehearsal: then nothing is deleted.
///
/// # Errors
/// A file of a job that does not read, or an API that does not answer as it should.
pub fn clean_up(cell: CellJob, files: &Path) -> Result<Option<(usize, usize)>, GithubError> {
    // A producer that has left no file has stored no layer that is known.
    let files = if files.exists() { read_files(files)? } else { BTreeMap::default() };
    let layers = files.get(&cell.id).into_iter().flatten().flat_map(|f| f.cache_layers.clone()).collect();
    let (Some(api), Some(repository), Some(run)) =
        (Api::of_job(), variable("GITHUB_REPOSITORY"), variable("GITHUB_RUN_ID"))
    else {
        return Ok(None);
    };
    Ok(Some(delete(&api, &repository, &run, &Stored { name: cell.name, layers })?))
}

/// Deletes a cell's artifact and cache entries, and says how many.
fn delete(api: &Api, repository: &str, run: &str, stored: &Stored) -> Result<(usize, usize), RestError> {
    let path = format!("repos/{repository}/actions/runs/{run}/artifacts?name={}", stored.name);
    let artifacts = api.list("the run's artifacts", NEEDS, &path, "artifacts")?;
    let mut counts = (0, 0);
    let id = |entry: &Value| entry.get("id").and_then(Value::as_u64);
    for artifact in
        artifacts.iter().filter(|a| a.get("name").and_then(Value::as_str) == Some(&stored.name)).filter_map(id)
    {
        api.delete("the cell's artifact", NEEDS, &format!("repos/{repository}/actions/artifacts/{artifact}"))?;
        counts.0 += 1;
    }
    for entry in
        api.list("the repository's caches", NEEDS, &format!("repos/{repository}/actions/caches"), "actions_caches")?
    {
        let key = entry.get("key").and_then(Value::as_str).unwrap_or_default();
        let ours = key.contains(&stored.name) || stored.layers.iter().any(|layer| key.contains(layer.as_str()));
        if let Some(cache) = id(&entry).filter(|_| ours) {
            api.delete("the cell's cache entry", NEEDS, &format!("repos/{repository}/actions/caches/{cache}"))?;
            counts.1 += 1;
        }
    }
    Ok(counts)
}
