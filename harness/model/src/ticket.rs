//! Ticket: everything that a producer passes to its consumers, like job outputs on GitHub.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named texts for the consumers (an artifact's name, a cache key), never the image itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub BTreeMap<String, String>);

/// An entry that a consumer needs and the producer did not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ticket has no `{0}`: it was written by another strategy or an older producer")]
pub struct TicketError(String);

impl Ticket {
    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// An entry by name.
    ///
    /// # Errors
    /// [`TicketError`] where the producer did not write the entry.
    pub fn get(&self, name: &str) -> Result<&str, TicketError> {
        self.0.get(name).map(String::as_str).ok_or_else(|| TicketError(name.to_owned()))
    }
}
