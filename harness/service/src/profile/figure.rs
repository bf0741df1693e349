//! A figure of a profile, its unit, and the list of all that there are.

use handoff_model::ByteSize;

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes a second, written `"60MiB/s"`.
    Rate,
    /// Milliseconds, a number.
    Ms,
    /// Bytes, written `"10GB"`.
    Bytes,
    /// A whole number, at least 1.
    Count,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Somebody measured or documented it.
    Published,
    /// Nobody has: it is inferred, and what depends on it is to be shown for its low and high value.
    Assumed,
}

/// A figure with its range and its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// In the unit of its key: bytes a second, ms, bytes, or a count.
    pub value: f64,
    /// The lowest that is plausible.
    pub low: Option<f64>,
    /// The highest that is plausible.
    pub high: Option<f64>,
    /// Where it comes from, if the file says.
    pub basis: Option<Basis>,
    /// Source, or the reason for the assumption.
    pub note: String,
}

/// Every figure that a profile may have. One that is missing limits nothing and costs no time.
pub(super) const FIGURES: [(&str, Unit); 13] = [
    ("artifact.request_ms", Unit::Ms),
    ("artifact.up.connection", Unit::Rate),
    ("artifact.up.aggregate", Unit::Rate),
    ("artifact.down.connection", Unit::Rate),
    ("artifact.down.aggregate", Unit::Rate),
    ("cache.request_ms", Unit::Ms),
    ("cache.up.connection", Unit::Rate),
    ("cache.up.aggregate", Unit::Rate),
    ("cache.down.connection", Unit::Rate),
    ("cache.down.aggregate", Unit::Rate),
    ("cache.creates_per_minute", Unit::Count),
    ("cache.storage_limit", Unit::Bytes),
    ("api.call_ms", Unit::Ms),
];

impl Unit {
    /// `value` as it is written in a profile.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", ByteSize(value as u64)),
            Self::Ms => format!("{value} ms"),
            Self::Bytes => ByteSize(value as u64).to_string(),
            Self::Count => format!("{value}"),
        }
    }
}
