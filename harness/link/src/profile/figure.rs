//! Figures of a profile and their units.

use handoff_model::ByteSize;

/// Unit of a figure.
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
    /// Share of all requests from 0 to 1, also written `"1%"`.
    Share,
    /// Seconds, a number.
    Seconds,
    /// Factor of slowness, a number of 1 or more.
    Factor,
    /// Permission, written `"allowed"` (1) or `"denied"` (0).
    Permission,
}

/// Source of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Measured or documented by others.
    Published,
    /// Measured by `handoff github calibrate` on one runner; low and high are from its repetitions.
    Measured,
    /// Inferred. Results that depend on it should be shown for its low and high value.
    Assumed,
}

/// Figure with its range and its source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// Value in the unit of its key: bytes a second, ms, bytes, a count, a share, seconds, a factor, or a permission (0 or 1).
    pub value: f64,
    /// Lowest plausible value.
    pub low: Option<f64>,
    /// Highest plausible value.
    pub high: Option<f64>,
    /// Source of the value, if the file states it.
    pub basis: Option<Evidence>,
    /// Reference, or the reason for the assumption.
    pub note: String,
}

/// All figures of profiles. A missing figure limits nothing and costs no time.
pub(super) const FIGURES: [(&str, Unit); 31] = [
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
    ("cache.writes", Unit::Permission),
    ("api.call_ms", Unit::Ms),
    ("api.up.url_ttl_s", Unit::Seconds),
    ("api.down.url_ttl_s", Unit::Seconds),
    ("api.reservation_ttl_s", Unit::Seconds),
    ("api.lookup_lag_ms", Unit::Ms),
    ("builder.pull_s", Unit::Seconds),
    ("disk.write", Unit::Rate),
    ("disk.read", Unit::Rate),
    ("faults.stall", Unit::Share),
    ("faults.stall_s", Unit::Seconds),
    ("faults.slow", Unit::Share),
    ("faults.slow_factor", Unit::Factor),
    ("faults.reset", Unit::Share),
    ("faults.500", Unit::Share),
    ("faults.503", Unit::Share),
    ("faults.429", Unit::Share),
    ("faults.retry_after_s", Unit::Seconds),
    ("faults.seed", Unit::Count),
];

/// Words of [`Unit::Permission`], by value.
const PERMISSIONS: [&str; 2] = ["denied", "allowed"];

impl Unit {
    /// Formats `value` as in a profile.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", ByteSize(value as u64)),
            Self::Ms => format!("{value} ms"),
            Self::Bytes => ByteSize(value as u64).to_string(),
            Self::Count | Self::Factor => format!("{value}"),
            // A share such as 0.07 has no exact binary percentage.
            Self::Share => format!("{}%", (value * 1e8).round() / 1e6),
            Self::Seconds => format!("{value} s"),
            Self::Permission => PERMISSIONS[usize::from(value > 0.0)].to_owned(),
        }
    }

    /// Parses a value as written on a command line: `60MiB/s`, `25ms`, `10GB`, `200`, `1%`, `30s`, `denied`.
    pub fn read(self, text: &str) -> Option<f64> {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let size = |text: &str| text.parse::<ByteSize>().ok().map(|size| size.bytes() as f64);
        let value = match self {
            Self::Rate => size(text.strip_suffix("/s")?),
            Self::Bytes => size(text).filter(|_| text.ends_with(|c: char| c.is_ascii_alphabetic())),
            Self::Ms => number(text.strip_suffix("ms").unwrap_or(text)),
            Self::Seconds => number(text.strip_suffix('s').unwrap_or(text)),
            Self::Share => match text.strip_suffix('%') {
                Some(percent) => number(percent).map(|percent| percent / 100.0),
                None => number(text),
            },
            Self::Count | Self::Factor => number(text),
            Self::Permission => PERMISSIONS.iter().position(|word| *word == text.trim()).map(|at| at as f64),
        };
        value.filter(|value| self.allows(*value))
    }

    /// Whether a value is in the range of this unit.
    pub(super) fn allows(self, value: f64) -> bool {
        match self {
            // At a lower rate, one piece would take seconds.
            Self::Rate => (1_024.0..=1e15).contains(&value),
            Self::Ms => (0.0..=60_000.0).contains(&value),
            Self::Bytes => (1.0..=1e16).contains(&value),
            Self::Count => (1.0..=1e9).contains(&value) && value.fract() == 0.0,
            Self::Share | Self::Permission => (0.0..=1.0).contains(&value),
            Self::Seconds => (0.0..=86_400.0).contains(&value),
            Self::Factor => (1.0..=1e6).contains(&value),
        }
    }

    /// Allowed values, for an error.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Rate => "a text with a unit from \"1KiB/s\" on, as \"60MiB/s\"",
            Self::Ms => "milliseconds as a number from 0 to 60000",
            Self::Bytes => "a text with a unit, as \"10GB\"",
            Self::Count => "a whole number from 1 on",
            Self::Share => "a share of the requests from 0 to 1, or \"1%\"",
            Self::Seconds => "seconds as a number from 0 to 86400",
            Self::Factor => "a number from 1 on",
            Self::Permission => "\"allowed\" or \"denied\"",
        }
    }
}
