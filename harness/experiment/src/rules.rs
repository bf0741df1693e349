//! Rules of a matrix file: which cells are left out.

use std::fmt::Display;

use handoff_link::profile;
use handoff_model::block::CONDITION_FACTORS;
use handoff_model::{Builder, ByteSize, CacheState, EngineKind, EngineVersion, Exclusion, ImageStore, StrategySpec};
use serde::Deserialize;

use crate::context::Context;
use crate::error::Fault;
use crate::levels::{Consumers, List, ProfileName};

/// A rule as a file says it. Every level is typed, because one that is misspelt would leave nothing out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rule {
    strategy: Option<List<StrategySpec>>,
    size: Option<List<ByteSize>>,
    workload: Option<List<String>>,
    engine: Option<List<EngineKind>>,
    engine_version: Option<List<EngineVersion>>,
    image_store: Option<List<ImageStore>>,
    builder: Option<List<Builder>>,
    profile: Option<List<ProfileName>>,
    cache_state: Option<List<CacheState>>,
    consumers: Option<List<Consumers>>,
}

/// Levels in the text form that `plan.json` has for those of conditions.
fn texts<T: Display>(levels: Option<&List<T>>) -> Vec<String> {
    levels.into_iter().flat_map(|levels| levels.iter().map(ToString::to_string)).collect()
}

impl Rule {
    /// The keys in a matrix file.
    pub fn keys() -> Vec<&'static str> {
        [&["strategy", "size", "workload"][..], &CONDITION_FACTORS].concat()
    }

    /// The rule of a plan.
    ///
    /// # Errors
    /// A strategy or a profile that does not exist.
    pub fn exclusion(&self, context: &Context<'_>) -> Result<Exclusion, Fault> {
        let strategies = self.strategy.as_ref().map(|named| (context.strategies)(named.to_vec())).transpose();
        let profiles = texts(self.profile.as_ref());
        let profiles = profiles.iter().map(|profile| profile::canonical(profile)).collect::<Result<_, _>>();
        let conditions = [
            ("engine", texts(self.engine.as_ref())),
            ("engine_version", texts(self.engine_version.as_ref())),
            ("image_store", texts(self.image_store.as_ref())),
            ("builder", texts(self.builder.as_ref())),
            ("profile", profiles.map_err(|error| Fault::at("profile", error))?),
            ("cache_state", texts(self.cache_state.as_ref())),
            ("consumers", texts(self.consumers.as_ref())),
        ];
        let named = conditions.into_iter().filter(|(_, levels)| !levels.is_empty());
        Ok(Exclusion {
            strategy: strategies.map_err(|error| Fault::at("strategy", error))?.unwrap_or_default(),
            size: self.size.as_deref().unwrap_or_default().to_vec(),
            workload: self.workload.as_deref().unwrap_or_default().to_vec(),
            conditions: named.map(|(factor, levels)| (factor.to_owned(), levels)).collect(),
        })
    }
}
