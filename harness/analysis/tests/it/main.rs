//! The analysis as its readers use it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test function")]

mod analysis;
mod claims;
mod claims_counts;
mod exact;
mod kit;
mod ranks;
mod simulation;
