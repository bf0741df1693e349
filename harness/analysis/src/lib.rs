//! From journal rows to what a report says. Pure: no clock, no files, no order of rows that matters.
//!
//! [`summaries`] is the ground floor: medians and ranges of each cell. Comparisons and verdicts will stand on the
//! same [`CellSummary`]; until then nothing here claims that one strategy is faster than another.

pub mod claims;
pub mod identity;
pub mod spread;
pub mod summary;

pub use claims::{Claim, Claims, ClaimsError};
pub use identity::{Finding, Identity, LevelCount};
pub use spread::Spread;
pub use summary::{CellSummary, FailedTrial, summaries};
