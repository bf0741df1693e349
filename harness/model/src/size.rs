//! Sizes in bytes, as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes. Read from `1GiB`, `256 MiB`, `3GB`, `1048576`; printed in binary units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// A size that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a size: write a number and a unit, for example 64MiB, 1GiB or 3GB")]
pub struct SizeError {
    given: String,
}

const UNITS: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

impl ByteSize {
    /// The size of an image that is not asked for but found: the user's own.
    pub const USER: Self = Self(0);
    /// One MiB.
    pub const MIB: u64 = 1 << 20;
    /// One GiB.
    pub const GIB: u64 = 1 << 30;

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError { given: text.to_owned() };
        let lower = text.trim().to_ascii_lowercase();
        let (number, factor) =
            UNITS.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor))).unwrap_or((&lower, 1));
        let number = number.trim();
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !number.is_empty();
        let value: f64 = if plain { number.parse().map_err(|_| error())? } else { return Err(error()) };
        let bytes = value * factor as f64;
        // Above 2^53 the float would round: no image is that large, so it is a slip of the finger.
        if !bytes.is_finite() || bytes > 9e15 {
            return Err(error());
        }
        Ok(ByteSize(bytes.round() as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::USER {
            return f.write_str("own-size");
        }
        let b = self.0;
        const SHOWN: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        // Exact where a unit divides it, so that what is printed can be read back; else two decimals.
        if let Some((unit, factor)) = SHOWN.iter().find(|(_, factor)| b >= *factor && b.is_multiple_of(*factor)) {
            return write!(f, "{}{unit}", b / factor);
        }
        if let Some((unit, factor)) = SHOWN.iter().find(|(_, factor)| b >= *factor) {
            return write!(f, "{:.2}{unit}", b as f64 / *factor as f64);
        }
        write!(f, "{b}B")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_size_spellings_are_read() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("64 MiB", 64 << 20),
            ("3GB", 3_000_000_000),
            ("1.5gib", 3 << 29),
            ("17", 17),
            ("8b", 8),
        ] {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn malformed_size_is_refused_with_an_example() {
        for text in ["", "GiB", "1GiBB", "-1MiB", "1e3", "nan", "inf", "0x10", "999999999TiB"] {
            let error = text.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains("64MiB"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn printed_whole_units_read_back(n in 1u64..4096, shift in prop::sample::select(vec![10u32, 20, 30])) {
            let size = ByteSize(n << shift);
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
        }
    }
}
