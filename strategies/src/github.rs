//! Strategies as GitHub jobs: their recipes, and the variants that a recipe can express.

use handoff_model::recipe::{Unsupported, Values};
use handoff_model::{Conditions, OptionSpec, StrategyError, StrategySpec};

use crate::Strategy;
use crate::all::{by_name, check_list_with};

/// Target of a recipe's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Jobs of the benchmark's own workflows.
    Cell,
    /// Workflow for a user's repository.
    Workflow,
}

/// Option of a variant that no step can express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}={value}: {reason}")]
pub struct Unexpressed {
    /// Option.
    pub option: String,
    /// Value.
    pub value: String,
    /// Reason.
    pub reason: String,
}

/// Reason for an option that no applicable step has, if the recipe gives none.
pub const NO_STEP: &str = "no step of this variant has the option";

/// Strategy of a spec, which may have options for GitHub only.
///
/// # Errors
/// Unknown strategy, option or value.
pub fn named(spec: &StrategySpec) -> Result<Box<dyn Strategy>, StrategyError> {
    by_name(&spec.name)?.variant(spec)
}

/// Strategy of a spec for a cell of the benchmark's workflows.
///
/// # Errors
/// As for [`named`], and an option that a cell does not support.
pub fn find(spec: &StrategySpec) -> Result<Box<dyn Strategy>, StrategyError> {
    let found = named(spec)?;
    for unsupported in found.recipe().not_in_a_cell {
        let value = spec.options.get(unsupported.option);
        if let Some(value) = value.filter(|v| unsupported.values.is_empty() || unsupported.values.contains(&v.as_str()))
        {
            let (strategy, option, given) = (spec.name.clone(), unsupported.option.to_owned(), value.clone());
            let expected = format!("not supported on GitHub ({})", unsupported.reason);
            return Err(StrategyError::BadValue { strategy, option, expected, given });
        }
    }
    Ok(found)
}

/// [`crate::check_list`] for GitHub.
///
/// # Errors
/// As for [`find`], or a variant that appears twice.
pub fn check_list(specs: Vec<StrategySpec>) -> Result<Vec<StrategySpec>, StrategyError> {
    check_list_with(specs, |spec| find(spec).map(|s| options(&*s).collect()))
}

/// All options of a strategy, including those for GitHub only.
pub fn options(strategy: &dyn Strategy) -> impl Iterator<Item = &'static OptionSpec> + use<> {
    strategy.facts().options.iter().chain(strategy.recipe().options)
}

/// Default of every option by name, and the texts that steps derive from them.
pub fn defaults(strategy: &dyn Strategy) -> Values {
    let mut values = options(strategy).map(|o| (o.name.to_owned(), o.default.to_owned())).collect();
    strategy.recipe().derive(&mut values);
    values
}

/// Value of every option under these conditions, and the texts that steps derive from them. Every option that is not at its
/// default appears in an applicable step.
///
/// # Errors
/// An option that the recipe does not support for this target, or that appears in no step.
pub fn express(strategy: &dyn Strategy, conditions: &Conditions, target: Target) -> Result<Values, Unexpressed> {
    let conditions = &strategy.conditions(conditions);
    let (unresolved, values, recipe) = (strategy.values(), strategy.resolved(conditions).values(), strategy.recipe());
    let unsupported = match target {
        Target::Cell => recipe.not_in_a_cell,
        Target::Workflow => recipe.not_in_a_workflow,
    };
    let shown = recipe.shown(&values);
    for known in options(strategy) {
        let value = &values[known.name];
        let barred = |u: &&Unsupported| {
            u.option == known.name
                && if u.values.is_empty() {
                    unresolved[known.name] != known.default
                } else {
                    u.values.contains(&value.as_str())
                }
        };
        let silent = || {
            let of_the_machine = recipe.of_the_machine.iter().any(|(option, _)| *option == known.name);
            let differs = value != known.default && !of_the_machine && !shown.contains(known.name);
            // The strategy's own refusal explains a contradiction of options better.
            differs.then(|| strategy.refuses(conditions).unwrap_or_else(|| NO_STEP.to_owned()))
        };
        let reason = unsupported.iter().find(barred).map(|u| u.reason.to_owned()).or_else(silent);
        if let Some(reason) = reason {
            return Err(Unexpressed { option: known.name.to_owned(), value: value.clone(), reason });
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_model::recipe::places;
    use handoff_model::{Builder, ImageStore};

    fn parse_list(text: &str) -> Result<Vec<StrategySpec>, StrategyError> {
        check_list(StrategySpec::parse_list(text)?)
    }

    #[test]
    fn action_versions_are_options_for_github_only() {
        let list = parse_list("artifact:action=v4,rebuild").unwrap();
        assert_eq!(list[0].to_string(), "artifact:action=v4");
        assert!(crate::parse_list("artifact:action=v4").is_err());
        assert_eq!(parse_list("artifact:action=latest").unwrap()[0].to_string(), "artifact");
        assert!(parse_list("artifact:action=v2").unwrap_err().to_string().contains("latest, v4"));
    }

    #[test]
    fn auto_is_resolved_by_the_conditions() {
        let spec = StrategySpec::plain("artifact");
        let source = |builder, image_store| {
            let conditions = Conditions { builder, image_store, ..Conditions::default() };
            find(&spec).unwrap().resolved(&conditions).values()["source"].clone()
        };
        assert_eq!(source(Builder::Docker, ImageStore::Overlay2), "save");
        assert_eq!(source(Builder::DockerContainer, ImageStore::Overlay2), "output");
    }

    #[test]
    fn recipe_uses_every_option_or_excuses_it_with_a_reason() {
        for strategy in crate::ALL {
            let recipe = strategy.recipe();
            let name = strategy.facts().name;
            let steps: Vec<_> = recipe.producer.iter().chain(recipe.consumer).collect();
            let used: Vec<&str> = steps.iter().flat_map(|s| recipe.shown_by(s)).collect();
            let known: Vec<&OptionSpec> = options(*strategy).collect();
            for option in &known {
                let wholly = |list: &[Unsupported]| {
                    list.iter().any(|u| u.option == option.name && u.values.is_empty() && !u.reason.is_empty())
                };
                let (cell, workflow) = (wholly(recipe.not_in_a_cell), wholly(recipe.not_in_a_workflow));
                let of_the_machine = recipe.of_the_machine.iter().any(|(o, _)| *o == option.name);
                if of_the_machine {
                    assert!(cell && !workflow, "{name}: {} is of the machine, so that no cell has it", option.name);
                }
                let excused = cell && (workflow || of_the_machine);
                assert!(
                    used.contains(&option.name) != excused,
                    "{name}: option {} is used and excused, or neither",
                    option.name
                );
            }
            let is_known = |option: &str| known.iter().any(|o| o.name == option);
            for place in used {
                assert!(
                    is_known(place) || ["name", "image", "sources", "dir", "digest"].contains(&place),
                    "{name}: {place}"
                );
            }
            // What stands in a list, or is derived, is an option of this strategy and a value of it.
            for unsupported in recipe.not_in_a_cell.iter().chain(recipe.not_in_a_workflow) {
                let option = known.iter().find(|o| o.name == unsupported.option).unwrap();
                for value in unsupported.values {
                    let spec = format!("{name}:{}={value}", option.name).parse().unwrap();
                    strategy.variant(&spec).unwrap();
                }
            }
            for derived in recipe.derived {
                assert!(is_known(derived.shows) && !is_known(derived.place), "{name}: {}", derived.place);
                let texts = || steps.iter().flat_map(|s| s.texts()).flat_map(places);
                assert!(texts().any(|p| p == derived.place), "{name}: no step has {{{}}}", derived.place);
            }
        }
    }

    fn expressed(text: &str, target: Target) -> Result<Values, String> {
        let spec = text.parse().unwrap();
        let conditions = Conditions { builder: Builder::DockerContainer, ..Conditions::default() };
        express(&*named(&spec).unwrap(), &conditions, target).map_err(|e| e.to_string())
    }

    #[test]
    fn cells_and_workflows_support_different_options() {
        assert!(expressed("relay:store=cache", Target::Cell).unwrap_err().contains("removes its entries"));
        assert!(expressed("relay:store=cache", Target::Workflow).is_ok());
        assert!(expressed("zstd-stream", Target::Workflow).unwrap_err().contains("no action offers"));
        assert!(expressed("zstd-stream:client=lhotari,dir=/tree", Target::Workflow).is_ok());
        assert!(expressed("zstd-stream:client=lhotari,dir=/tree", Target::Cell).is_err());
        let on_github = Conditions { profile: handoff_model::conditions::GITHUB.to_owned(), ..Conditions::default() };
        let spec = StrategySpec::plain("zstd-stream");
        for target in [Target::Cell, Target::Workflow] {
            assert_eq!(express(&*named(&spec).unwrap(), &on_github, target).unwrap()["client"], "lhotari");
        }
    }

    #[test]
    fn option_without_an_applicable_step_is_refused() {
        let silent = |text: &str| expressed(text, Target::Workflow).unwrap_err();
        assert!(silent("artifact:source=save,layers=zstd").contains("`docker save` writes layers as the engine keeps"));
        assert!(silent("artifact:action=v4,archive=false").contains(NO_STEP));
        assert!(silent("relay:source=push,compression=gzip").contains(NO_STEP));
    }
}
