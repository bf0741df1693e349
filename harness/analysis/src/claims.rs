//! The spike's statements, as data: where each stands, the experiment that judges it, and the rule of its verdict.

mod conditions;
mod rule;

use serde::{Deserialize, Serialize};

pub(crate) use conditions::is_named;
pub use conditions::{Sizes, Where};
pub use rule::{Against, Direction, IdentityLevel, Quantity, Rule};

const TEXT: &str = include_str!("../claims.toml");

/// Statements of a publication, and where they come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Publication.
    pub source: Source,
    /// Approaches in the publication's order.
    #[serde(rename = "approach")]
    pub approaches: Vec<Approach>,
    /// Statements, grouped by option, in the publication's order.
    #[serde(rename = "claim")]
    pub claims: Vec<Claim>,
}

/// Publication: title, address and date.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Title.
    pub title: String,
    /// Address.
    pub url: String,
    /// Date of publication (ISO 8601).
    pub date: String,
}

/// One of the spike's five options, with the strategy that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approach {
    /// Number in the spike.
    pub option: u32,
    /// Name of the strategy.
    pub strategy: String,
    /// Summary in a few words.
    pub summary: String,
}

/// Column of the spike's comparison table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableCell {
    /// Transfer time of an image of 1 to 3 GB.
    Transfer,
    /// Complexity.
    Complexity,
    /// Limit of the storage.
    CacheLimit,
    /// Byte-identical.
    ByteIdentical,
}

/// One statement of the spike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Unique name.
    pub id: String,
    /// Number of the option that it is about.
    pub option: u32,
    /// Place in the text, for example `option 3, bullet 2`.
    pub place: String,
    /// Statement in our words.
    pub statement: String,
    /// Claimed figure or fact, for example `2-8 min`.
    pub claimed: String,
    /// Bound or reading that is ours, where the spike gives none.
    pub ours: Option<String>,
    /// Cell of the comparison table that holds it, if one does.
    pub cell: Option<TableCell>,
    /// Preset whose run answers it; none: no run is needed, or none here can.
    pub preset: Option<String>,
    /// Conditions under which rows judge it.
    #[serde(rename = "where", default)]
    pub conditions: Where,
    /// Rule of its verdict.
    pub rule: Rule,
}

impl Claim {
    /// Claimed text with the bound that is ours: `tight (ours: at most 10 images)`.
    pub fn claimed_text(&self) -> String {
        match &self.ours {
            Some(ours) => format!("{} (ours: {ours})", self.claimed),
            None => self.claimed.clone(),
        }
    }
}

/// `claims.toml` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claims.toml: {0}: fix the file in harness/analysis")]
pub struct ClaimsError(String);

impl Claims {
    /// The spike's statements, as this version ships them.
    ///
    /// # Errors
    /// The shipped file cannot be read; a test checks that it can.
    pub fn spike() -> Result<Self, ClaimsError> {
        Self::parse(TEXT)
    }

    /// Reads statements.
    ///
    /// # Errors
    /// Text that is not TOML, a field that is missing or unknown, an `id` or a cell of the table twice, an option without
    /// approach, or a range whose ends are swapped.
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        let claims: Self = toml::from_str(text)
            .map_err(|e| ClaimsError(e.to_string().split_whitespace().collect::<Vec<_>>().join(" ")))?;
        let refuse = |claim: &Claim, why: &str| Err(ClaimsError(format!("claim `{}`: {why}", claim.id)));
        for (i, claim) in claims.claims.iter().enumerate() {
            let before = &claims.claims[..i];
            if before.iter().any(|c| c.id == claim.id) {
                return refuse(claim, "the id is used twice");
            }
            if claims.approaches.iter().all(|a| a.option != claim.option) {
                return refuse(claim, "there is no [[approach]] of its option");
            }
            if claim.cell.is_some() && before.iter().any(|c| (c.option, c.cell) == (claim.option, claim.cell)) {
                return refuse(claim, "its cell of the table is claimed twice");
            }
            if !claim.rule.is_in_order() {
                return refuse(claim, "its lower bound is above its upper bound");
            }
        }
        Ok(claims)
    }

    /// The approach that a strategy follows; variants of the strategy share it.
    pub fn approach(&self, strategy: &str) -> Option<&Approach> {
        self.approaches.iter().find(|a| a.strategy == strategy)
    }

    /// Claim of a cell in the spike's table.
    pub fn cell(&self, strategy: &str, cell: TableCell) -> Option<&Claim> {
        let option = self.approach(strategy)?.option;
        self.claims.iter().find(|c| c.option == option && c.cell == Some(cell))
    }
}

#[cfg(test)]
mod tests;
