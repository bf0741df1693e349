//! The inputs of the workflow that measures on GitHub: from inputs to an experiment, and from a plan to the inputs that make it
//! again.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::str::FromStr;

use handoff_model::conditions::GITHUB;
use handoff_model::list::{commas, unique};
use handoff_model::{Builder, Conditions, EngineKind, ImageStore, PlanRequest, StrategySpec};

use crate::error::{ExperimentError, Result};
use crate::factors::{Factors, Whole};
use crate::levels::{Consumers, Level, List, ProfileName};
use crate::request::Experiment;

impl Experiment {
    /// The experiment of a workflow's run, from its inputs: nothing is read from a command line. What a workflow leaves out is
    /// as on a hosted runner.
    ///
    /// # Errors
    /// An input that is not what its name asks for.
    pub fn from_inputs(input: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let read = Inputs(&input);
        let consumers = read.or("consumers", Consumers::held(1))?;
        Ok(Self {
            matrix: None,
            factors: Factors {
                sizes: read.value("sizes")?,
                strategies: Some(read.or("strategies", StrategySpec::plain("all"))?),
                rounds: read.value("rounds")?,
                workloads: read.value("workload")?,
                profiles: Some(read.or("profile", ProfileName(GITHUB.to_owned()))?),
                engines: List::new(vec![EngineKind::Host]).ok(),
                image_stores: Some(read.or("image_store", ImageStore::Overlay2)?),
                builders: Some(read.or("builder", Builder::DockerContainer)?),
                // Each has a runner of its own: all of them run at once.
                consumer_concurrency: consumers.iter().filter_map(|c| NonZeroU32::new(c.count())).max(),
                consumers: Some(consumers),
                cache_states: read.value("cache_state")?,
                ..Factors::default()
            },
            whole: Whole { seed: read.value("seed")?, timeout: read.value("timeout")?, ..Whole::default() },
        })
    }
}

/// A workflow's inputs by name.
struct Inputs<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Inputs<'_> {
    fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>> {
        let text = (self.0)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let wrong = |text: &str, error| ExperimentError(format!("input {name}: `{text}`: {error}"));
        text.map(|text| text.parse().map_err(|error| wrong(&text, error))).transpose()
    }

    fn or<T: Level>(&self, name: &str, default: T) -> Result<List<T>> {
        let named = self.value(name)?;
        named.map_or_else(|| List::new(vec![default]).map_err(ExperimentError), Ok)
    }
}

/// The inputs that make the plan of a request again, with its random name.
pub fn workflow_inputs(request: &PlanRequest) -> BTreeMap<String, String> {
    let levels = |of: fn(&Conditions) -> String| commas(unique(request.conditions.iter().map(of)));
    let inputs = [
        ("sizes", commas(&request.sizes)),
        ("strategies", commas(&request.strategies)),
        ("rounds", request.rounds.to_string()),
        ("workload", commas(&request.workloads)),
        ("seed", request.seed.to_string()),
        ("consumers", levels(|c| c.consumers.to_string())),
        ("builder", levels(|c| c.builder.to_string())),
        ("image_store", levels(|c| c.image_store.to_string())),
        ("plan_id", request.run_id.clone()),
    ];
    inputs.map(|(name, value)| (name.to_owned(), value)).into()
}
