//! Enums whose values have words for a reader.

/// Writes an enum with its method `words`, so that each variant is beside its words.
macro_rules! worded {
    ($(#[$attribute:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $words:literal),+ $(,)? }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Words for a reader.
            pub fn words(self) -> &'static str {
                match self { $(Self::$variant => $words),+ }
            }
        }
    };
}
pub(crate) use worded;
