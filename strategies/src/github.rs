//! Strategies as GitHub jobs: their recipes, and the options that those know.

use std::collections::BTreeMap;

use handoff_model::{Conditions, OptionSpec, Recipe, StrategyError, StrategySpec};

use crate::{Strategy, by_name, parse_list_with};

/// A strategy that has a recipe.
#[derive(Clone, Copy)]
pub struct OnGithub {
    /// The strategy.
    pub strategy: &'static dyn Strategy,
    /// Its recipe.
    pub recipe: &'static Recipe,
}

/// Every strategy that has a recipe, in the order of the comparison table.
pub fn all() -> Vec<OnGithub> {
    crate::ALL.iter().filter_map(|s| Some(OnGithub { strategy: *s, recipe: s.recipe()? })).collect()
}

/// The strategy of a spec with its recipe, its options checked.
pub fn find(spec: &StrategySpec) -> Result<OnGithub, StrategyError> {
    let strategy = by_name(&spec.name)?;
    let Some(recipe) = strategy.recipe() else {
        let names: Vec<&str> = all().iter().map(|g| g.strategy.facts().name).collect();
        let hint = format!("it has no recipe for GitHub; those that have one: {}", names.join(", "));
        return Err(StrategyError::UnknownName { given: spec.name.clone(), hint });
    };
    strategy.facts().check_with(spec, recipe.options)?;
    for (option, reason) in recipe.not_here {
        if let Some(given) = spec.options.get(*option) {
            return Err(StrategyError::BadValue {
                strategy: spec.name.clone(),
                option: (*option).to_owned(),
                expected: format!("not there on GitHub ({reason})"),
                given: given.clone(),
            });
        }
    }
    Ok(OnGithub { strategy, recipe })
}

/// Reads a list of strategies for GitHub; `all` stands for every strategy that has a recipe.
pub fn parse_list(text: &str) -> Result<Vec<StrategySpec>, StrategyError> {
    let names: Vec<&str> = all().iter().map(|g| g.strategy.facts().name).collect();
    let text: Vec<String> =
        text.split(',').map(|piece| if piece.trim() == "all" { names.join(",") } else { piece.to_owned() }).collect();
    parse_list_with(&text.join(","), |spec| find(spec).map(|g| g.options_known().collect()))
}

impl OnGithub {
    fn options_known(self) -> impl Iterator<Item = &'static OptionSpec> {
        self.strategy.facts().options.iter().chain(self.recipe.options)
    }

    /// The value of every option under conditions: what is given, else the default, with what depends on the conditions
    /// settled.
    pub fn options(self, spec: &StrategySpec, conditions: &Conditions) -> BTreeMap<String, String> {
        let mut options: BTreeMap<String, String> =
            self.options_known().map(|o| (o.name.to_owned(), o.default.to_owned())).collect();
        options.extend(spec.options.clone());
        (self.recipe.settle)(&mut options, conditions);
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_model::recipe::places;
    use handoff_model::{Builder, ImageStore};

    #[test]
    fn majors_of_actions_are_options_on_github_only() {
        let list = parse_list("artifact:action=v4,rebuild").unwrap();
        assert_eq!(list[0].to_string(), "artifact:action=v4");
        assert!(crate::parse_list("artifact:action=v4").is_err());
        assert_eq!(parse_list("artifact:action=latest").unwrap()[0].to_string(), "artifact");
        assert!(parse_list("artifact:action=v2").unwrap_err().to_string().contains("latest, v4"));
    }

    #[test]
    fn auto_is_settled_by_the_conditions() {
        let spec = StrategySpec::plain("artifact");
        let source = |builder, image_store| {
            let conditions = Conditions { builder, image_store, ..Conditions::default() };
            find(&spec).unwrap().options(&spec, &conditions)["source"].clone()
        };
        assert_eq!(source(Builder::Docker, ImageStore::Overlay2), "save");
        assert_eq!(source(Builder::DockerContainer, ImageStore::Overlay2), "output");
    }

    #[test]
    fn a_recipe_uses_every_option_or_says_why_not_and_no_other_place() {
        for g in all() {
            let steps: Vec<_> = g.recipe.producer.iter().chain(g.recipe.consumer).collect();
            let mut used: Vec<&str> = steps.iter().flat_map(|s| s.texts()).flat_map(places).collect();
            used.extend(steps.iter().flat_map(|s| s.when.iter().map(|(option, _)| *option)));
            let known: Vec<&str> = g.options_known().map(|o| o.name).collect();
            let name = g.strategy.facts().name;
            for option in &known {
                let excused = g.recipe.not_here.iter().any(|(o, _)| o == option);
                assert!(used.contains(option) != excused, "{name}: option {option} is used and excused, or neither");
            }
            for place in used {
                assert!(
                    known.contains(&place) || ["name", "image", "sources", "dir"].contains(&place),
                    "{name}: {place}"
                );
            }
        }
    }
}
