//! Exact tests for few samples, and the intervals that invert them. Whole numbers in, so that ties are ties.
//!
//! Every p here is conditional on the ranks that the data have: all sign patterns (or all splits of a pooled sample) that
//! were possible are counted, none is drawn and nothing is approximated. An interval holds just those shifts that the
//! same test would not reject, so that test and interval never disagree.

pub mod holm;
pub mod kendall;
pub mod normal;
pub mod rank_sum;
pub mod signed_rank;

mod invert;
mod ranks;

pub use holm::{Corrected, holm, rounds_needed};

/// Twice the smaller tail, at most 1.
fn two_sided(lower: f64, upper: f64) -> f64 {
    (2.0 * lower.min(upper)).min(1.0)
}

/// The median of a sorted, non-empty list of doubled values, as a plain value.
fn median_of_doubled(sorted: &[i64]) -> f64 {
    let half = sorted.len() / 2;
    let doubled = if sorted.len().is_multiple_of(2) {
        sorted[half - 1] as f64 / 2.0 + sorted[half] as f64 / 2.0
    } else {
        sorted[half] as f64
    };
    doubled / 2.0
}
