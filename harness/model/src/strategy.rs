//! Strategies by name, their options (variants), and what is true of a strategy whatever it measures.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::list::{commas, repeated};

mod facts;
pub mod look;
mod transfer;

pub use facts::{Storage, StrategyFacts, VariantFacts};
pub use look::{Colour, Marker};
pub use transfer::{Flow, Transfer};

/// A strategy and the options that make a variant of it, as written on the command line: `artifact:level=6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrategySpec {
    /// The strategy's name.
    pub name: String,
    /// Options that differ from the strategy's defaults.
    pub options: BTreeMap<String, String>,
}

/// A text that is not a strategy with options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// Not `name` or `name:key=value,key=value`.
    #[error("`{0}` is not a strategy: write NAME or NAME:option=value,option=value")]
    Grammar(String),
    /// No strategy has that name.
    #[error("unknown strategy `{given}`: {hint}")]
    UnknownName {
        /// Given text.
        given: String,
        /// The nearest name and all names.
        hint: String,
    },
    /// The strategy has no such option.
    #[error("strategy `{strategy}` has no option `{given}`: {hint}")]
    UnknownOption {
        /// The strategy.
        strategy: String,
        /// Given text.
        given: String,
        /// The nearest option and all options.
        hint: String,
    },
    /// The option does not take that value.
    #[error("strategy `{strategy}`: `{option}={given}` is not allowed: use {expected}")]
    BadValue {
        /// The strategy.
        strategy: String,
        /// The option.
        option: String,
        /// Allowed values.
        expected: String,
        /// Given text.
        given: String,
    },
    /// One strategy, with the same options, twice.
    #[error("strategy `{0}` is named twice: name it once (`--control` runs the first strategy twice a round)")]
    Twice(String),
    /// An empty list.
    #[error("no strategy is named: write --strategies all, or names with commas")]
    Empty,
}

impl StrategySpec {
    /// A strategy without options.
    pub fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), options: BTreeMap::new() }
    }

    /// The options in one text, sorted, empty for the plain strategy: the `variant` column.
    pub fn variant(&self) -> String {
        commas(self.options.iter().map(|(k, v)| format!("{k}={v}")))
    }

    /// Reads a list: `a,b:x=1,y=2,c`. A piece `key=value` belongs to the strategy before it.
    ///
    /// # Errors
    /// An empty list, a malformed strategy, or one that is named twice.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, StrategyError> {
        let mut specs: Vec<String> = Vec::new();
        for piece in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let continues = piece.contains('=') && !piece.contains(':');
            match (continues, specs.last_mut()) {
                (true, Some(last)) => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => specs.push(piece.to_owned()),
            }
        }
        if specs.is_empty() {
            return Err(StrategyError::Empty);
        }
        let specs: Vec<Self> = specs.iter().map(|s| s.parse()).collect::<Result<_, _>>()?;
        match repeated(&specs) {
            Some(spec) => Err(StrategyError::Twice(spec.to_string())),
            None => Ok(specs),
        }
    }
}

impl FromStr for StrategySpec {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let grammar = || StrategyError::Grammar(text.to_owned());
        let (name, rest) = text.split_once(':').map_or((text, None), |(n, r)| (n, Some(r)));
        let mut options = BTreeMap::new();
        for pair in rest.into_iter().flat_map(|r| r.split(',')) {
            let (key, value) = pair.split_once('=').ok_or_else(grammar)?;
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() || value.is_empty() || options.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(grammar());
            }
        }
        if name.is_empty() || name.contains('=') {
            return Err(grammar());
        }
        Ok(Self { name: name.trim().to_owned(), options })
    }
}

impl fmt::Display for StrategySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.options.is_empty() { Ok(()) } else { write!(f, ":{}", self.variant()) }
    }
}

impl Serialize for StrategySpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StrategySpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Values that an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// A whole number in a range, both ends included.
    Number(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text (a folder, an image name).
    Text,
}

/// An option of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Name.
    pub name: &'static str,
    /// Allowed values.
    pub kind: OptionKind,
    /// Value where none is given.
    pub default: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
}

impl OptionKind {
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Number(low, high) => value.parse::<u64>().is_ok_and(|n| (low..=high).contains(&n)),
            Self::Word(words) => words.contains(&value),
            Self::Text => !value.is_empty(),
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Number(low, high) => format!("a number from {low} to {high}"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Text => "a text".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strategy_list_keeps_options_with_their_strategy() {
        let list =
            StrategySpec::parse_list("artifact, artifact:level=6,zstd-stream:level=1,threads=2,rebuild").unwrap();
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["artifact", "artifact:level=6", "zstd-stream:level=1,threads=2", "rebuild"]);
        assert_eq!(list[2].variant(), "level=1,threads=2");
    }

    #[test]
    fn malformed_strategy_list_is_refused() {
        for text in
            ["artifact:", "artifact:level", "artifact:level=", ":level=6", "artifact:level=6,level=7", "level=6"]
        {
            assert!(matches!(StrategySpec::parse_list(text), Err(StrategyError::Grammar(_))), "{text}");
        }
        assert_eq!(StrategySpec::parse_list(" , "), Err(StrategyError::Empty));
        assert_eq!(StrategySpec::parse_list("a:x=1,y=2,a:y=2,x=1"), Err(StrategyError::Twice("a:x=1,y=2".into())));
    }

    #[test]
    fn option_values_are_checked_by_kind() {
        const OPTIONS: &[OptionSpec] =
            &[OptionSpec { name: "level", kind: OptionKind::Number(0, 9), default: "0", help: "zlib level" }];
        let facts = StrategyFacts {
            name: "artifact",
            summary: "",
            storage: Storage::Artifact,
            transfer: None,
            moves_image: true,
            has_producer: true,
            ours: false,
            colour: look::BLUE,
            marker: Marker::Circle,
            options: OPTIONS,
        };
        assert!(facts.check(&"artifact:level=6".parse().unwrap()).is_ok());
        let error = facts.check(&"artifact:level=10".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "strategy `artifact`: `level=10` is not allowed: use a number from 0 to 9");
        let error = facts.check(&"artifact:levle=1".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("did you mean `level`"), "{error}");
    }

    proptest! {
        #[test]
        fn printed_strategy_reads_back(name in "[a-z][a-z-]{0,8}", options in prop::collection::btree_map("[a-z]{1,5}", "[a-z0-9./]{1,6}", 0..4)) {
            let spec = StrategySpec { name, options };
            prop_assert_eq!(StrategySpec::parse_list(&spec.to_string()).unwrap(), vec![spec]);
        }
    }
}
