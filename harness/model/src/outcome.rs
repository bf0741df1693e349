//! Outcome of a trial. A failure is data: a row with a reason and without times.

use serde::{Deserialize, Serialize};

use crate::level::levels;

levels!(
    /// Outcome of a trial.
    Outcome, "outcome", {
        /// All jobs ran, and the received image is the built image.
        Completed = "completed",
        /// A step failed, or the identity gate did.
        Failed = "failed",
        /// A job exceeded its time limit.
        TimedOut = "timed_out",
        /// Not run, for a reason known before it started (for example a full disk).
        Skipped = "skipped",
    }
);

/// Reason why a trial has no times: the span and the error, each in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{span}: {error}")]
pub struct Failure {
    /// The span in which it broke, or the gate that refused (`identity`, `request-during-verification`, ...).
    pub span: String,
    /// One line.
    pub error: String,
}

impl Failure {
    /// Span of a trial that could not run at all, as the plan shows.
    pub const PLAN: &str = "plan";

    /// A failure in `span`; a text of many lines becomes one.
    pub fn new(span: impl Into<String>, error: impl std::fmt::Display) -> Self {
        let text = error.to_string();
        let one_line = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" | ");
        Self { span: span.into(), error: one_line.chars().take(2_000).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_text_is_one_line() {
        assert_eq!(Failure::new("load", "a\n\n  b\n").error, "a | b");
    }
}
