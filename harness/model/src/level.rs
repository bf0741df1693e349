//! Named levels: enums whose names are the same in CSV, command line and report.

/// A value that is not one of a factor's levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {factor} `{given}`: {hint}")]
pub struct LevelError {
    factor: &'static str,
    given: String,
    hint: String,
}

impl LevelError {
    /// Error for a text that is none of the known levels.
    pub fn new(factor: &'static str, given: &str, known: &[&str]) -> Self {
        Self { factor, given: given.to_owned(), hint: crate::nearest::hint(given, known) }
    }
}

/// Writes an enum of named levels with its text form, used alike in CSV, command line and report.
#[macro_export]
macro_rules! levels {
    ($(#[$doc:meta])* $name:ident, $factor:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every level's name.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The level's name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::level::LevelError;
            fn from_str(text: &str) -> Result<Self, $crate::level::LevelError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::level::LevelError::new($factor, text, Self::NAMES)),
                }
            }
        }
    };
}
pub use levels;
