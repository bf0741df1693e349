//! `--rounds N|auto`: a number, or as many as the declared comparisons need.

use std::fmt;
use std::str::FromStr;

use handoff_analysis::declared::FEWEST_ROUNDS;
use serde::de::{Deserializer, Error, Visitor};

/// More rounds than anybody waits for are a typo.
const MOST_ROUNDS: i64 = 1_000;

/// The word for [`Rounds::Auto`], on the command line and in a matrix file.
pub(crate) const AUTO: &str = "auto";

/// Requested number of rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// Fixed number.
    Count(u32),
    /// The fewest with which the exact test can decide every declared comparison.
    Auto,
}

impl Rounds {
    /// The number that a plan starts from; that of `auto` is raised once all blocks are known.
    pub fn at_least(self) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Auto => FEWEST_ROUNDS,
        }
    }

    fn checked(count: i64) -> Result<Self, String> {
        match count {
            0 => Err(format!("0 rounds measure nothing: use 1 to {MOST_ROUNDS}, or {AUTO}")),
            1..=MOST_ROUNDS => Ok(Self::Count(count as u32)),
            _ => Err(format!("{count} is out of range: use 1 to {MOST_ROUNDS}, or {AUTO}")),
        }
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Auto => f.write_str(AUTO),
        }
    }
}

impl FromStr for Rounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == AUTO {
            return Ok(Self::Auto);
        }
        let wrong = |_| format!("`{text}` is no number of rounds: use 1 to {MOST_ROUNDS}, or {AUTO}");
        Self::checked(text.parse().map_err(wrong)?)
    }
}

impl<'de> serde::Deserialize<'de> for Rounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAuto;

        impl Visitor<'_> for NumberOrAuto {
            type Value = Rounds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 on, or \"{AUTO}\"")
            }

            fn visit_i64<E: Error>(self, count: i64) -> Result<Rounds, E> {
                Rounds::checked(count).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Rounds, E> {
                match text {
                    AUTO => Ok(Rounds::Auto),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(NumberOrAuto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(Rounds::Auto));
        assert_eq!("12".parse(), Ok(Rounds::Count(12)));
        for (text, part) in [
            ("Auto", "or auto"),
            ("-1", "out of range"),
            ("", "is no number"),
            ("0", "measure nothing"),
            ("1001", "out of range"),
        ] {
            assert!(text.parse::<Rounds>().unwrap_err().contains(part), "{text}");
        }
    }
}
