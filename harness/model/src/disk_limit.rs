//! Limit of the rates at which a job's disk writes and reads.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::size::ByteSize;

/// Limit of a job's disk in bytes a second. A direction without a rate is not limited.
///
/// The text form is `none`, `200MiB/s` for both directions, or `write=200MiB/s read=100MiB/s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskLimit {
    /// Rate of writing.
    pub write: Option<u64>,
    /// Rate of reading.
    pub read: Option<u64>,
}

/// A limit that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no disk limit: write `none`, a rate such as `200MiB/s`, or `write=200MiB/s read=100MiB/s`")]
pub struct DiskLimitError(String);

const UNLIMITED: &str = "none";

impl DiskLimit {
    /// No limit.
    pub const NONE: Self = Self { write: None, read: None };

    /// The same rate in both directions.
    pub fn both(rate: u64) -> Self {
        Self { write: Some(rate), read: Some(rate) }
    }

    /// Whether no direction is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// Rate in the shortest text that reads back to the same number.
fn rate_text(rate: u64) -> String {
    let short = ByteSize(rate).to_string();
    if short.parse() == Ok(ByteSize(rate)) { format!("{short}/s") } else { format!("{rate}B/s") }
}

fn rate(text: &str) -> Option<u64> {
    text.strip_suffix("/s")?.parse::<ByteSize>().ok().map(ByteSize::bytes).filter(|rate| *rate > 0)
}

impl fmt::Display for DiskLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.write, self.read) {
            (None, None) => f.write_str(UNLIMITED),
            (Some(write), Some(read)) if write == read => f.write_str(&rate_text(write)),
            (Some(write), Some(read)) => write!(f, "write={} read={}", rate_text(write), rate_text(read)),
            (Some(write), None) => write!(f, "write={}", rate_text(write)),
            (None, Some(read)) => write!(f, "read={}", rate_text(read)),
        }
    }
}

impl FromStr for DiskLimit {
    type Err = DiskLimitError;

    fn from_str(text: &str) -> Result<Self, DiskLimitError> {
        let error = || DiskLimitError(text.to_owned());
        if text == UNLIMITED {
            return Ok(Self::NONE);
        }
        if !text.contains('=') {
            return rate(text).map(Self::both).ok_or_else(error);
        }
        let mut limit = Self::NONE;
        for part in text.split(' ') {
            let (name, value) = part.split_once('=').ok_or_else(error)?;
            let place = match name {
                "write" => &mut limit.write,
                "read" => &mut limit.read,
                _ => return Err(error()),
            };
            if place.replace(rate(value).ok_or_else(error)?).is_some() {
                return Err(error());
            }
        }
        Ok(limit)
    }
}

impl Serialize for DiskLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DiskLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limit_has_the_shortest_text_of_its_rates() {
        let limit = |write, read| DiskLimit { write, read }.to_string();
        assert_eq!(limit(None, None), "none");
        assert_eq!(limit(Some(200 << 20), Some(200 << 20)), "200MiB/s");
        assert_eq!(limit(Some(200 << 20), Some(1_000_001)), "write=200MiB/s read=1000001B/s");
        assert_eq!(
            (limit(Some(1 << 30), None), limit(None, Some(1 << 10))),
            ("write=1GiB/s".into(), "read=1KiB/s".into())
        );
    }

    #[test]
    fn malformed_limit_is_refused_with_the_forms() {
        for text in ["", "None", "200", "200MiB", "0MiB/s", "write=", "write=1MiB/s write=1MiB/s", "disk=1MiB/s"] {
            let error = text.parse::<DiskLimit>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("`200MiB/s`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn limit_reads_back(write in prop::option::of(1u64..1 << 50), read in prop::option::of(1u64..1 << 50)) {
            let limit = DiskLimit { write, read };
            prop_assert_eq!(limit.to_string().parse::<DiskLimit>().unwrap(), limit);
            let json = serde_json::to_string(&limit).unwrap();
            prop_assert_eq!(serde_json::from_str::<DiskLimit>(&json).unwrap(), limit);
        }
    }
}
