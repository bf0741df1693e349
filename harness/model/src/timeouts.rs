//! Table of time limits of a crate.

use std::collections::BTreeMap;
use std::time::Duration;

/// Declares the time limits of a crate as constants, and `TIMEOUTS`, the list of all of them by name.
#[macro_export]
macro_rules! timeouts {
    ($($(#[$meta:meta])* $vis:vis $name:ident = $value:expr;)*) => {
        $($(#[$meta])* $vis const $name: std::time::Duration = $value;)*
        /// Every time limit of this crate by name.
        pub const TIMEOUTS: &[(&str, std::time::Duration)] = &[$((stringify!($name), $name)),*];
    };
}

/// Time limits of crates in milliseconds, by crate and name, for the environment of a run.
pub fn in_ms(crates: &[(&str, &[(&str, Duration)])]) -> BTreeMap<String, u64> {
    let named = |(of, limits): &(&str, &[(&str, Duration)])| {
        limits.iter().map(|(name, limit)| (format!("{of} {name}"), limit.as_millis() as u64)).collect::<Vec<_>>()
    };
    crates.iter().flat_map(named).collect()
}
