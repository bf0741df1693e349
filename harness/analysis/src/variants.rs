//! Facts of the variants that rows belong to.

use handoff_model::strategy::look;
use handoff_model::{Colour, Marker, StrategySpec, VariantFacts};
use serde::Serialize;

/// The facts of some runs' plans, in the order of the comparison table; variants without a producer last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Variants(Vec<VariantFacts>);

impl Variants {
    /// Joins the facts of several plans. The order of each list is kept as far as the lists before it leave it open; of a variant
    /// that is in several, the facts of the first count.
    pub fn of<'a>(lists: impl IntoIterator<Item = &'a [VariantFacts]>) -> Self {
        let mut all: Vec<VariantFacts> = Vec::new();
        for list in lists {
            // From the end: what only this list has goes before its next neighbour that is there already.
            let mut at = all.len();
            for facts in list.iter().rev() {
                match all.iter().position(|f| f.strategy == facts.strategy) {
                    Some(found) => at = at.min(found),
                    None => all.insert(at, facts.clone()),
                }
            }
        }
        all.sort_by_key(|f| !f.has_producer);
        Self(all)
    }

    /// The facts in their order.
    pub fn into_facts(self) -> Vec<VariantFacts> {
        self.0
    }

    /// The facts of a variant; of one that is in no list, those of another variant of its strategy.
    pub fn get(&self, spec: &StrategySpec) -> Option<&VariantFacts> {
        let exact = self.0.iter().find(|f| f.strategy == *spec);
        exact.or_else(|| self.0.iter().find(|f| f.strategy.name == spec.name))
    }

    /// Whether it hands nothing over, so that the others are read against it: the baseline.
    pub fn is_baseline(&self, spec: &StrategySpec) -> bool {
        self.get(spec).is_some_and(|f| !f.has_producer)
    }

    /// Whether it is this project's own, not a way that anybody has without it.
    pub fn is_ours(&self, spec: &StrategySpec) -> bool {
        self.get(spec).is_some_and(|f| f.ours)
    }

    /// Colour and marker in every chart: grey where nothing is known.
    pub fn look(&self, spec: &StrategySpec) -> (Colour, Marker) {
        self.get(spec).map_or((look::GREY, Marker::Bar), |f| (f.colour, f.marker))
    }

    /// Position of a variant's strategy in every table, as a sort key. A strategy without facts comes before the baseline.
    pub fn table_order(&self, spec: &StrategySpec) -> (bool, usize) {
        let of_strategy = self.0.iter().position(|f| f.strategy.name == spec.name);
        (self.is_baseline(spec), of_strategy.unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use handoff_model::Storage;

    use super::*;

    fn list(names: &str) -> Vec<VariantFacts> {
        let facts = |strategy: StrategySpec| VariantFacts {
            storage: Storage::Artifact,
            has_producer: strategy.name != "base",
            ..VariantFacts::unknown(strategy)
        };
        StrategySpec::parse_list(names).unwrap().into_iter().map(facts).collect()
    }

    fn joined(lists: &[&str]) -> String {
        let lists: Vec<_> = lists.iter().map(|names| list(names)).collect();
        let all = Variants::of(lists.iter().map(Vec::as_slice)).into_facts();
        all.iter().map(|f| f.strategy.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn joined_fact_lists_keep_their_order_with_the_baseline_last() {
        assert_eq!(joined(&["b,d,base", "a,b,c,d,e,base"]), "a b c d e base");
        assert_eq!(joined(&["a,new,base", "a,b,base"]), "a new b base");
        assert_eq!(joined(&["base", "a"]), "a base");
    }

    #[test]
    fn variant_without_facts_uses_those_of_its_strategy() {
        let variants = Variants::of([list("a,base:x=1").as_slice()]);
        assert!(variants.is_baseline(&StrategySpec::plain("base")));
        let mut order = ["base", "unknown", "a:x=1"].map(|s| s.parse::<StrategySpec>().unwrap());
        order.sort_by_key(|s| variants.table_order(s));
        assert_eq!(order.map(|s| s.to_string()), ["a:x=1", "unknown", "base"]);
        assert_eq!(variants.get(&StrategySpec::plain("unknown")), None);
    }
}
