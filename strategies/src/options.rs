//! Options of strategies: one declaration makes a struct for serde, its defaults, and the schema of the command line.

use handoff_model::recipe::Values;
use handoff_model::{Conditions, OptionKind, OptionSpec, StrategyError, StrategySpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Strategy;

/// Declares an enum for an option's words, whose first word is the default. Unlike [`handoff_model::level::levels!`] it has
/// a constant default and a `const` name, which recipes need.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $vis enum $name { $($(#[$doc])* #[serde(rename = $word)] $value,)+ }

        impl $name {
            /// All words.
            pub const WORDS: &[&str] = &[$($word),+];
            /// The first value.
            pub const DEFAULT: Self = [$(Self::$value),+][0];

            /// Word of the value.
            pub const fn as_str(self) -> &'static str {
                Self::WORDS[self as usize]
            }
        }
    };
}

/// Declares a struct of options: `name: type [limits] = default`, with the help text as its documentation. Types are `u32`
/// with a range, `bool`, `String` (empty by default), and enums of [`words!`], where limits may select words.
/// `..name: Type` includes options that strategies share, `github ..name: Type` those for GitHub only.
macro_rules! options {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $help:literal])+
                $field:ident $(as $named:literal)?: $kind:ident $([$($limit:tt)+])? $(= $default:tt)?,
            )*
            $(..$shared:ident: $Shared:ident,)*
            $(github ..$github:ident: $Github:ident,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        $vis struct $name {
            $(
                #[allow(clippy::doc_markdown)]
                $(#[doc = $help])+
                $(#[serde(rename = $named)])?
                pub(crate) $field: $kind,
            )*
            $(#[serde(flatten)] pub(crate) $shared: $Shared,)*
            $(#[serde(flatten)] pub(crate) $github: $Github,)?
        }

        impl $name {
            /// Every option at its default.
            pub(crate) const DEFAULT: Self = Self {
                $($field: $crate::options::options!(@value $kind $(= $default)?),)*
                $($shared: $Shared::DEFAULT,)*
                $($github: $Github::DEFAULT,)?
            };
            const LISTS: &[&[handoff_model::OptionSpec]] = &[
                &[$(handoff_model::OptionSpec {
                    name: $crate::options::options!(@name $field $($named)?),
                    kind: $crate::options::options!(@kind $kind $([$($limit)+])? $(= $default)?),
                    default: $crate::options::options!(@text $kind $(= $default)?),
                    help: concat!($($help),+).trim_ascii(),
                },)*],
                $($Shared::OPTIONS,)*
            ];
            /// The schema.
            pub(crate) const OPTIONS: &[handoff_model::OptionSpec] =
                &handoff_model::recipe::joined::<_, { $crate::options::count($name::LISTS) }>(Self::LISTS);
        }

        impl Default for $name {
            fn default() -> Self {
                Self::DEFAULT
            }
        }
    };
    (@name $field:ident $named:literal) => { $named };
    (@name $field:ident) => { stringify!($field) };
    (@kind u32 [$low:literal..=$high:literal] = $default:tt) => { handoff_model::OptionKind::Number($low, $high) };
    (@kind bool = true) => { handoff_model::OptionKind::Word(&["true", "false"]) };
    (@kind bool = false) => { handoff_model::OptionKind::Word(&["false", "true"]) };
    (@kind String) => { handoff_model::OptionKind::Text };
    (@kind $Words:ident [$($word:literal),+] = $default:tt) => { handoff_model::OptionKind::Word(&[$($word),+]) };
    (@kind $Words:ident) => { handoff_model::OptionKind::Word($Words::WORDS) };
    (@value $kind:ident = $default:literal) => { $default };
    (@value String) => { String::new() };
    (@value $Words:ident = $default:tt) => { $Words::$default };
    (@value $Words:ident) => { $Words::DEFAULT };
    (@text $kind:ident = $default:literal) => { stringify!($default) };
    (@text String) => { "" };
    (@text $Words:ident = $default:tt) => { $Words::$default.as_str() };
    (@text $Words:ident) => { $Words::DEFAULT.as_str() };
}

/// Implements `facts` and `recipe` by the constants `FACTS` and `RECIPE` of a strategy's file.
macro_rules! facts_and_recipe {
    () => {
        fn facts(&self) -> &'static handoff_model::StrategyFacts {
            &FACTS
        }

        fn recipe(&self) -> &'static handoff_model::Recipe {
            &RECIPE
        }
    };
}

pub(crate) use {facts_and_recipe, options, words};

/// Number of options in all lists.
pub(crate) const fn count(lists: &[&[OptionSpec]]) -> usize {
    let (mut count, mut i) = (0, 0);
    while i < lists.len() {
        count += lists[i].len();
        i += 1;
    }
    count
}

/// Options of a strategy as text, as in the command line, plans and rows.
pub trait Options {
    /// Variant of the strategy with the options of a spec and defaults for all others.
    ///
    /// # Errors
    /// Unknown option or value. Options for GitHub only are known.
    fn variant(&self, spec: &StrategySpec) -> Result<Box<dyn Strategy>, StrategyError>;

    /// Value of every option, and the texts that steps derive from them.
    fn values(&self) -> Values;

    /// Variant of the strategy with every `auto` resolved for these conditions.
    fn resolved(&self, conditions: &Conditions) -> Box<dyn Strategy>;
}

impl<T: Strategy + Clone + Serialize + DeserializeOwned + 'static> Options for T {
    fn variant(&self, spec: &StrategySpec) -> Result<Box<dyn Strategy>, StrategyError> {
        let (facts, more) = (self.facts(), self.recipe().options);
        facts.check_with(spec, more)?;
        let known = facts.options.iter().chain(more).filter_map(|o| Some((o, spec.options.get(o.name)?)));
        let typed: Map<String, Value> = known.map(|(o, text)| (o.name.to_owned(), typed(o.kind, text))).collect();
        // serde reads every value that the schema accepts, as a test checks.
        let read: T = serde_json::from_value(typed.into()).map_err(|_| StrategyError::Grammar(spec.to_string()))?;
        Ok(Box::new(read))
    }

    fn values(&self) -> Values {
        let mut values = Values::new();
        if let Ok(Value::Object(typed)) = serde_json::to_value(self) {
            let text = |value| if let Value::String(text) = value { text } else { value.to_string() };
            values.extend(typed.into_iter().map(|(name, value)| (name, text(value))));
        }
        self.recipe().derive(&mut values);
        values
    }

    fn resolved(&self, conditions: &Conditions) -> Box<dyn Strategy> {
        let mut resolved = self.clone();
        resolved.resolve_defaults(conditions);
        Box::new(resolved)
    }
}

/// Value of a word, for an enum of [`words!`].
pub fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}

/// Text of an option as a value for serde.
fn typed(kind: OptionKind, text: &str) -> Value {
    match kind {
        OptionKind::Number(..) => text.parse::<u64>().map_or(Value::Null, Value::from),
        OptionKind::Word(_) if text == "true" || text == "false" => Value::Bool(text == "true"),
        OptionKind::Word(_) | OptionKind::Text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ALL;

    /// All words, both ends of a range, or some text.
    fn values(option: &OptionSpec) -> Vec<String> {
        match option.kind {
            OptionKind::Word(words) => words.iter().map(|w| (*w).to_owned()).collect(),
            OptionKind::Number(low, high) => vec![low.to_string(), high.to_string()],
            OptionKind::Text => vec!["some-text".to_owned()],
        }
    }

    #[test]
    fn every_value_of_the_schema_survives_a_round_trip() {
        for strategy in ALL {
            let name = strategy.facts().name;
            let defaults = strategy.values();
            for option in strategy.facts().options.iter().chain(strategy.recipe().options) {
                assert_eq!(defaults[option.name], option.default, "{name}:{}", option.name);
                for value in values(option) {
                    let spec = format!("{name}:{}={value}", option.name).parse().unwrap();
                    let read = strategy.variant(&spec).unwrap().values();
                    assert_eq!(read[option.name], value, "{spec}");
                    let others =
                        read.iter().filter(|(other, _)| strategy.facts().options.iter().any(|o| o.name == **other));
                    assert!(others.filter(|(other, v)| defaults[*other] != **v).count() <= 1, "{spec}");
                }
            }
        }
    }
}
