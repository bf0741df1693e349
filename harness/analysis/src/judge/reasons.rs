//! Reasons why trials judge nothing.

use std::cmp::Ordering;

use crate::judgement::{FEWEST, SURE};

/// Why a median that could lie on either side of a bound judges nothing.
pub(super) const INTERVAL_CROSSES_BOUND: &str = "the interval of the median reaches over a bound of the claim";

/// Why so few trials judge no time.
pub(super) fn too_few(n: usize) -> String {
    format!("{n} of the {FEWEST} trials that an interval of {} % needs", SURE * 100.0)
}

/// On which side of a claim all trials lie, to be added to a reason.
pub(super) fn all_lie(lies: Option<Ordering>) -> &'static str {
    match lies {
        Some(Ordering::Greater) => ", all slower than claimed",
        Some(Ordering::Less) => ", all faster than claimed",
        Some(Ordering::Equal) => ", all within the claim",
        None => "",
    }
}
