//! The same options as a workflow gives them, and what the workflows cannot do.

use handoff_model::{Builder, CacheState, Conditions, EngineKind, ImageStore};

use super::{PlanArgs, list};
use crate::exit::bad_input;

impl PlanArgs {
    /// The options of a workflow's run, from its inputs: nothing is read from a command line.
    pub fn from_inputs(input: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let text = |name: &str| input(name).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let number = |name: &str| -> anyhow::Result<Option<u64>> {
            let Some(text) = text(name) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| bad_input(format!("input {name}: `{text}` is not a whole number")))
        };
        let consumers = text("consumers").unwrap_or_else(|| "1".to_owned());
        Ok(Self {
            sizes: text("sizes"),
            strategies: Some(text("strategies").unwrap_or_else(|| "all".to_owned())),
            rounds: text("rounds")
                .map(|t| t.parse())
                .transpose()
                .map_err(|e: String| bad_input(format!("input rounds: {e}")))?,
            workload: text("workload"),
            profile: Some(text("profile").unwrap_or_else(|| handoff_model::conditions::GITHUB.to_owned())),
            engine: Some(EngineKind::Host.to_string()),
            image_store: Some(text("image_store").unwrap_or_else(|| ImageStore::Overlay2.to_string())),
            builder: Some(text("builder").unwrap_or_else(|| Builder::DockerContainer.to_string())),
            // Each has a runner of its own: all of them run at once.
            consumer_concurrency: list(&consumers).filter_map(|c| c.parse().ok()).max(),
            consumers: Some(consumers),
            cache_state: text("cache_state"),
            seed: number("seed")?,
            timeout: number("timeout")?,
            github: true,
            plan_id: text("plan_id"),
            ..Self::default()
        })
    }
}

/// Refuses conditions that the workflows do not make.
pub(super) fn check(conditions: &Conditions) -> anyhow::Result<()> {
    if conditions.cache_state != CacheState::Cold {
        let state = conditions.cache_state;
        return Err(bad_input(format!("--cache-state {state}: the workflows have no priming run, use cold")));
    }
    if conditions.consumer_concurrency > 1 {
        return Err(bad_input("--consumer-concurrency: on GitHub every consumer has a runner, leave it out"));
    }
    Ok(())
}
