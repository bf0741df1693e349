//! When a transfer did what, for the journal.

use handoff_model::SpanKind;
use serde::{Deserialize, Serialize};

use crate::clock::monotonic_ns;

/// One interval. The same fields as the spans that the npm drivers report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferSpan {
    /// What went on.
    pub name: SpanKind,
    /// What exactly.
    pub detail: String,
    /// Start, ns of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// End, ns of `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// Payload bytes moved, where any were.
    pub bytes: Option<u64>,
}

impl TransferSpan {
    /// A span that ends now.
    pub(crate) fn ended(name: SpanKind, detail: impl Into<String>, start_ns: u64, bytes: Option<u64>) -> Self {
        Self { name, detail: detail.into(), start_ns, end_ns: monotonic_ns(), bytes }
    }
}
