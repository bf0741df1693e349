//! Conditions under which rows judge a statement.

use handoff_model::{Builder, ByteSize, CacheState, Cell, EngineVersion, ImageStore, StrategySpec, UserImage};
use serde::Deserialize;

/// Sizes that the spike's figures are for: 1 to 3 GB, in either reading of GB.
const CLAIMED: std::ops::RangeInclusive<u64> = 1_000_000_000..=3 * ByteSize::GIB;

/// Upper part of these sizes.
const LARGE: std::ops::RangeInclusive<u64> = 2_000_000_000..=*CLAIMED.end();

/// Options that spell out the spike's own recipe or a default: with these a variant is still what the spike means.
const LITERAL: [(&str, &str); 6] = [
    ("producer-load", "true"),
    ("source", "save"),
    ("client", "lhotari"),
    ("action", "v4"),
    ("level", "0"),
    ("mode", "max"),
];

/// Sizes of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sizes {
    /// Any size.
    #[default]
    Any,
    /// 1 to 3 GB, as the spike's figures are for.
    Claimed,
    /// 2 to 3 GB: large is ours.
    Large,
}

impl Sizes {
    fn contains(self, size: ByteSize) -> bool {
        match self {
            Self::Any => true,
            Self::Claimed => CLAIMED.contains(&size.bytes()),
            Self::Large => LARGE.contains(&size.bytes()),
        }
    }
}

/// Conditions under which rows judge a statement.
///
/// `workloads`, `profiles` and `cache_state` are part of the experiment: rows of others say nothing. The rest is the spike's
/// recipe: rows that depart from it are shown with the reason why they do not judge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Where {
    /// Workloads; empty: any.
    pub workloads: Vec<String>,
    /// Link profiles; empty: any.
    pub profiles: Vec<String>,
    /// State of the caches; none: cold.
    pub cache_state: Option<CacheState>,
    /// Sizes.
    pub sizes: Sizes,
    /// Link profiles of the recipe; empty: any.
    pub links: Vec<String>,
    /// Image store.
    pub image_store: Option<ImageStore>,
    /// Builder.
    pub builder: Option<Builder>,
}

impl Where {
    /// Whether a cell belongs to the experiment.
    pub(crate) fn is_experiment(&self, cell: &Cell) -> bool {
        let listed = |list: &[String], name: &String| list.is_empty() || list.contains(name);
        // The size of an own image is put in when it is read, so the workload tells.
        !UserImage::is_own_workload(&cell.workload)
            && listed(&self.workloads, &cell.workload)
            && listed(&self.profiles, &cell.conditions.profile)
            && cell.conditions.cache_state == self.cache_state.unwrap_or(CacheState::Cold)
    }

    /// Departures of a cell from the recipe.
    pub(crate) fn departures(&self, cell: &Cell) -> Vec<String> {
        let c = &cell.conditions;
        let mut all = Vec::new();
        if self.image_store.is_some_and(|s| s != c.image_store) {
            all.push(format!("the {} image store", c.image_store));
        }
        // A rule that names the store names a hosted runner with Docker 28.
        if let (Some(_), EngineVersion::Major(major @ 29..)) = (self.image_store, c.engine_version) {
            all.push(format!("Docker {major}"));
        }
        if self.builder.is_some_and(|b| b != c.builder) {
            all.push(format!("the `{}` builder", c.builder));
        }
        if !self.links.is_empty() && !self.links.contains(&c.profile) {
            all.push(format!("profile {}", c.profile));
        }
        if !self.sizes.contains(cell.size) {
            all.push(format!("a size of {}", cell.size));
        }
        all
    }
}

/// Whether a strategy of a row is what a rule names: the same options, apart from those that spell out the recipe.
pub(crate) fn is_named(rule: &StrategySpec, row: &StrategySpec) -> bool {
    // The folder of a client comes with the client.
    let literal = |key: &str, value: &str| {
        LITERAL.contains(&(key, value)) || key == "dir" && row.options.get("client").is_some_and(|c| c == "lhotari")
    };
    rule.name == row.name
        && rule.options.iter().all(|(k, v)| row.options.get(k) == Some(v))
        && row.options.iter().all(|(k, v)| rule.options.get(k) == Some(v) || literal(k, v))
}
