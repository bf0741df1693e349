//! TOML files that come with the crate.

use serde::de::DeserializeOwned;

/// Reads TOML; an error is one line of text.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|e| e.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}
