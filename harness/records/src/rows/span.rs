//! `spans.csv`: one row a span.

use handoff_model::plan::SCHEMA_VERSION;
use handoff_model::span::{Role, Span, SpanKind};
use serde::{Deserialize, Serialize};

/// Span of one job of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are documented in docs/format.md, checked by a test")]
pub struct SpanRow {
    pub schema_version: u32,
    pub trial: String,
    #[serde(rename = "side")]
    pub role: Role,
    /// Number of the consumer from 1; empty for the producer.
    pub consumer: Option<u32>,
    pub span: SpanKind,
    pub detail: String,
    pub start_ns: u64,
    pub end_ns: u64,
    pub bytes: Option<u64>,
}

impl SpanRow {
    /// The row of a span.
    pub fn new(trial: &str, role: Role, consumer: Option<u32>, span: &Span) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            trial: trial.to_owned(),
            role,
            consumer,
            span: span.kind,
            detail: span.detail.clone(),
            start_ns: span.start_ns,
            end_ns: span.end_ns,
            bytes: span.bytes,
        }
    }
}
