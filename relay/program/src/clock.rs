//! Conversion of the wall clock, the only clock of `BuildKit`'s traces, to the machine's monotonic clock.

use handoff_storage::monotonic_ns;
use jiff::Timestamp;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    monotonic_ns: u64,
    wall_ns: i128,
}

impl Origin {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self { wall_ns: Timestamp::now().as_nanosecond(), monotonic_ns: monotonic_ns() }
    }

    /// Time on the monotonic clock, in ns.
    pub(crate) fn monotonic(self, time: Timestamp) -> u64 {
        let ns = i128::from(self.monotonic_ns) + time.as_nanosecond() - self.wall_ns;
        u64::try_from(ns).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_before_and_after_the_origin_keeps_its_distance() {
        let origin = Origin { monotonic_ns: 5_000_000_000, wall_ns: 1_800_000_000_000_000_000 };
        let at = |ns: i128| origin.monotonic(Timestamp::from_nanosecond(1_800_000_000_000_000_000 + ns).unwrap());
        assert_eq!([at(0), at(1_500_000_000), at(-2)], [5_000_000_000, 6_500_000_000, 4_999_999_998]);
        assert_eq!(at(-6_000_000_000), 0, "before the machine's start");
    }
}
