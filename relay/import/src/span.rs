//! Spans of an import, on the machine's monotonic clock.

use handoff_model::SpanKind;
use serde::{Deserialize, Serialize};

/// Interval of an import, with the fields of the spans of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSpan {
    /// Kind of activity.
    pub name: SpanKind,
    /// Detail in a few words.
    pub detail: String,
    /// Start in ns of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// End in ns of `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// Bytes that were moved.
    pub bytes: Option<u64>,
}

/// Time of `CLOCK_MONOTONIC` in ns, which all processes of a machine share.
pub(crate) fn monotonic_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
