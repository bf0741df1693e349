//! Removing what a cell has stored, so that the next one finds the same room.

use serde_json::Value;

use crate::rest::{Api, RestError};

const NEEDS: &str = "`actions: write`";

/// What a cell has stored.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// The name of its artifact, the key of its cache entry, the scope of its builder's cache.
    pub name: String,
    /// Layers that the builder put into the cache, as hex digests.
    pub layers: Vec<String>,
}

/// Deletes a cell's artifact and cache entries, and says how many.
pub fn clean(api: &Api, repository: &str, run: &str, stored: &Stored) -> Result<(usize, usize), RestError> {
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
