//! What is true of a strategy whatever it measures.

use serde::{Deserialize, Serialize};

use super::look::GREY;
use super::{Colour, Marker, OptionSpec, StrategyError, StrategySpec, Transfer};
use crate::nearest::hint;

/// What is true of a strategy whatever it measures: the columns of the comparison table that are not numbers.
#[derive(Debug, Clone, Copy)]
pub struct StrategyFacts {
    /// Its name.
    pub name: &'static str,
    /// One line: what it does.
    pub summary: &'static str,
    /// The service whose limit its bytes count against.
    pub storage: Storage,
    /// How its client moves bytes, for the estimate; none where nothing is moved.
    pub transfer: Option<Transfer>,
    /// Whether the image itself travels (as a tar), so that layers and config must be equal too.
    pub moves_image: bool,
    /// Whether there is a producer at all: the one without is the baseline.
    pub has_producer: bool,
    /// Whether it is this project's own, not a way that anybody has without it.
    pub ours: bool,
    /// Its colour in every chart.
    pub colour: Colour,
    /// Its marker in every chart.
    pub marker: Marker,
    /// Its options.
    pub options: &'static [OptionSpec],
}

/// The store that holds what a strategy hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// GitHub's artifacts.
    Artifact,
    /// GitHub's cache (10 GB a repository unless paid for).
    Cache,
    /// Nothing is stored.
    None,
}

/// What a reader of rows has to know of a variant: written to `plan.json`, so that reading needs no strategy's code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantFacts {
    /// The variant.
    pub strategy: StrategySpec,
    /// The service whose limit its bytes count against.
    pub storage: Storage,
    /// Whether the image itself travels, so that layers and config must be equal too.
    pub moves_image: bool,
    /// Whether there is a producer at all: the one without is the baseline.
    pub has_producer: bool,
    /// Whether it is this project's own, not a way that anybody has without it.
    pub ours: bool,
    /// Its colour in every chart.
    pub colour: Colour,
    /// Its marker in every chart.
    pub marker: Marker,
}

impl VariantFacts {
    /// Facts of a variant of which nothing is known but that it has a producer and moves the image.
    pub fn unknown(strategy: StrategySpec) -> Self {
        Self {
            strategy,
            storage: Storage::None,
            moves_image: true,
            has_producer: true,
            ours: false,
            colour: GREY,
            marker: Marker::Bar,
        }
    }
}

impl StrategyFacts {
    /// Checks a spec against the options.
    pub fn check(&self, spec: &StrategySpec) -> Result<(), StrategyError> {
        self.check_with(spec, &[])
    }

    /// Checks a spec against the options and those that only a recipe has.
    pub fn check_with(&self, spec: &StrategySpec, more: &[OptionSpec]) -> Result<(), StrategyError> {
        for (key, value) in &spec.options {
            let Some(option) = self.options.iter().chain(more).find(|o| o.name == key) else {
                let names: Vec<&str> = self.options.iter().chain(more).map(|o| o.name).collect();
                let hint = if names.is_empty() { "it has none".to_owned() } else { hint(key, &names) };
                return Err(StrategyError::UnknownOption { strategy: spec.name.clone(), given: key.clone(), hint });
            };
            if !option.kind.accepts(value) {
                return Err(StrategyError::BadValue {
                    strategy: spec.name.clone(),
                    option: key.clone(),
                    expected: option.kind.expected(),
                    given: value.clone(),
                });
            }
        }
        Ok(())
    }
}
