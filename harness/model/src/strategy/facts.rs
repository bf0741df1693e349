//! Facts of a strategy that do not depend on a measurement.

use serde::{Deserialize, Serialize};

use super::look::GREY;
use super::{Colour, Marker, OptionSpec, StrategyError, StrategySpec, Transfer};
use crate::nearest::hint;

/// Facts of a strategy: the columns of the comparison table that are not numbers.
#[derive(Debug, Clone, Copy)]
pub struct StrategyFacts {
    /// Name.
    pub name: &'static str,
    /// One line: what it does.
    pub summary: &'static str,
    /// The service whose limit its bytes count against.
    pub storage: Storage,
    /// Shape of its client's transfer, for the estimate; none where nothing is moved.
    pub transfer: Option<Transfer>,
    /// Whether the image itself travels (as a tar), so that layers and config must be equal too.
    pub moves_image: bool,
    /// Whether there is a producer at all: the one without is the baseline.
    pub has_producer: bool,
    /// Whether it is this project's own, not a way that anybody has without it.
    pub ours: bool,
    /// Colour in every chart.
    pub colour: Colour,
    /// Marker in every chart.
    pub marker: Marker,
    /// Options.
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
    /// No storage.
    None,
}

/// Facts of a variant for readers of rows. `plan.json` has them, so that readers need no strategy code.
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
    /// Colour in every chart.
    pub colour: Colour,
    /// Marker in every chart.
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
    ///
    /// # Errors
    /// An unknown option, or a value that the option does not take.
    pub fn check(&self, spec: &StrategySpec) -> Result<(), StrategyError> {
        self.check_with(spec, &[])
    }

    /// Checks a spec against the options and those that only a recipe has.
    ///
    /// # Errors
    /// An unknown option, or a value that the option does not take.
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
