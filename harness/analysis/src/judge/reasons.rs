//! Reasons for which trials do not judge a claim.

use std::cmp::Ordering;

use crate::judgement::{FEWEST, SURE};

/// Reason of a median that may lie on either side of a bound.
pub(super) const INTERVAL_CROSSES_BOUND: &str = "the interval of the median crosses a bound of the claim";

/// Reason of a time with too few trials.
pub(super) fn too_few(n: usize) -> String {
    format!("{n} of the {FEWEST} trials that an interval of {} % needs", SURE * 100.0)
}

/// End of a reason: how all trials compare with the claim.
pub(super) fn all_lie(lies: Option<Ordering>) -> &'static str {
    match lies {
        Some(Ordering::Greater) => ", all slower than claimed",
        Some(Ordering::Less) => ", all faster than claimed",
        Some(Ordering::Equal) => ", all within the claim",
        None => "",
    }
}
