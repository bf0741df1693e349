//! Parts of a plan whose factors cross on their own, and rules that leave cells out.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::conditions::Conditions;
pub use crate::conditions::{CONDITION_FACTORS, level_of};
use crate::list::unique;
use crate::size::ByteSize;
use crate::strategy::StrategySpec;

/// Factors that cross: every level of one with every level of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Sizes of the image.
    pub sizes: Vec<ByteSize>,
    /// Strategies with their options.
    pub strategies: Vec<StrategySpec>,
    /// Names of workloads.
    pub workloads: Vec<String>,
    /// Rounds: how often each cell runs.
    pub rounds: u32,
    /// Conditions.
    pub conditions: Vec<Conditions>,
}

/// A rule: a cell that has one of the levels of every factor that is named here is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// Strategies: a name means all its variants, a name with options that variant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strategy: Vec<StrategySpec>,
    /// Sizes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub size: Vec<ByteSize>,
    /// Workloads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workload: Vec<String>,
    /// Conditions by the name of their factor, as a matrix file writes it, with the levels in text form.
    #[serde(flatten)]
    pub conditions: std::collections::BTreeMap<String, Vec<String>>,
}

impl<'de> Deserialize<'de> for Exclusion {
    /// By hand, because a flattened map would take an unknown field for a factor: here serde is told that it is ignored.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rule;
        impl<'de> Visitor<'de> for Rule {
            type Value = Exclusion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule: factors with the levels that are left out")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Exclusion, M::Error> {
                let mut rule = Exclusion::default();
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "strategy" => rule.strategy = fields.next_value()?,
                        "size" => rule.size = fields.next_value()?,
                        "workload" => rule.workload = fields.next_value()?,
                        factor if CONDITION_FACTORS.contains(&factor) => {
                            rule.conditions.insert(name, fields.next_value()?);
                        }
                        _ => {
                            fields.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(rule)
            }
        }
        deserializer.deserialize_map(Rule)
    }
}

impl Exclusion {
    /// Whether the rule leaves this cell out. A rule without factors leaves nothing out.
    pub fn leaves_out(&self, cell: &Cell) -> bool {
        let names_something = !(self.strategy.is_empty()
            && self.size.is_empty()
            && self.workload.is_empty()
            && self.conditions.is_empty());
        let strategy = |rule: &StrategySpec| {
            rule.name == cell.strategy.name && (rule.options.is_empty() || rule.options == cell.strategy.options)
        };
        names_something
            && (self.strategy.is_empty() || self.strategy.iter().any(strategy))
            && (self.size.is_empty() || self.size.contains(&cell.size))
            && (self.workload.is_empty() || self.workload.contains(&cell.workload))
            && self
                .conditions
                .iter()
                .all(|(factor, levels)| level_of(&cell.conditions, factor).is_some_and(|level| levels.contains(&level)))
    }
}

/// Puts every item that `all` lacks behind it.
pub fn join<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    *all = unique(all.drain(..).chain(more.iter().cloned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::{Builder, ImageStore};

    fn cell(strategy: &str, image_store: ImageStore) -> Cell {
        Cell {
            strategy: strategy.parse().unwrap(),
            workload: "typical".into(),
            size: ByteSize(1 << 26),
            conditions: Conditions { image_store, builder: Builder::Docker, ..Conditions::default() },
            control: false,
        }
    }

    #[test]
    fn exclusion_matches_cells_with_a_level_of_every_named_factor() {
        let json = r#"{"strategy":["gha-cache","local-cache"],"builder":["docker"],"image_store":["overlay2"]}"#;
        let rule: Exclusion = serde_json::from_str(json).unwrap();
        assert!(rule.leaves_out(&cell("gha-cache", ImageStore::Overlay2)));
        assert!(rule.leaves_out(&cell("gha-cache:mode=min", ImageStore::Overlay2)), "and its variants");
        assert!(!rule.leaves_out(&cell("gha-cache", ImageStore::Containerd)));
        assert!(!rule.leaves_out(&cell("artifact", ImageStore::Overlay2)));
        assert_eq!(serde_json::to_string(&rule).unwrap(), json);
        assert!(!Exclusion::default().leaves_out(&cell("artifact", ImageStore::Overlay2)));
        let variant = Exclusion { strategy: vec!["gha-cache:mode=min".parse().unwrap()], ..Exclusion::default() };
        assert!(!variant.leaves_out(&cell("gha-cache", ImageStore::Overlay2)));
    }

    #[test]
    fn every_condition_factor_has_a_level() {
        for factor in CONDITION_FACTORS.iter() {
            assert!(level_of(&Conditions::default(), factor).is_some(), "{factor}");
        }
        assert_eq!(level_of(&Conditions::default(), "sizes"), None);
    }
}
