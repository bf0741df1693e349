//! Spans of a transfer.

use handoff_model::SpanKind;
use serde::{Deserialize, Serialize};

use crate::clock::monotonic_ns;

/// Time interval of a transfer, with the fields that the npm drivers report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferSpan {
    /// Kind of the span.
    pub name: SpanKind,
    /// Detail, for example the call.
    pub detail: String,
    /// Start, ns of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// End, ns of `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// Payload bytes moved, if any.
    pub bytes: Option<u64>,
}

impl TransferSpan {
    /// Creates a span that ends now.
    pub(crate) fn ended(name: SpanKind, detail: impl Into<String>, start_ns: u64, bytes: Option<u64>) -> Self {
        Self { name, detail: detail.into(), start_ns, end_ns: monotonic_ns(), bytes }
    }
}
