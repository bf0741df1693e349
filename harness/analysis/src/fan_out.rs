//! What happens as more jobs share an image.

use serde::Serialize;

/// The numbers of consumers that a report shows.
pub const CONSUMERS: [u32; 5] = [1, 4, 11, 24, 40];

/// One point of a fan-out curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FanOut {
    /// Number of consumers.
    pub consumers: u32,
    /// Critical path in seconds.
    pub critical_path_s: f64,
    /// Time of all jobs together in seconds.
    pub runner_s: f64,
    /// Where the two come from.
    pub basis: Basis,
    /// Completed trials behind it.
    pub n: usize,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Medians of trials with just this many consumers.
    Measured,
    /// Computed from measured parts: the producer's median, the mean of the consumers, and the largest of N draws from
    /// the consumers seen. It assumes runners that do not slow each other down.
    Modelled,
}
