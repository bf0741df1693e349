//! Clocks of the service: a monotonic one for records, which other processes of the machine share, and the wall clock for
//! expiries and dates.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock that `std::time::Instant` and Node's `process.hrtime` use on Linux.
pub(crate) fn monotonic_ns() -> u64 {
    as_ns(ClockId::Monotonic)
}

/// CPU time of all threads of this process in nanoseconds.
pub(crate) fn process_cpu_ns() -> u64 {
    as_ns(ClockId::ProcessCPUTime)
}

fn as_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Current time in seconds since 1970, as in a JWT.
pub(crate) fn unix_seconds() -> i64 {
    Timestamp::now().as_second()
}

/// `2026-01-31T12:00:00Z`: RFC 3339, as protobuf's JSON and Azure's signatures write a time.
pub(crate) fn rfc3339(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::MAX).to_string()
}

/// Parses a time as [`rfc3339`] writes it.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// `Sat, 31 Jan 2026 12:00:00 GMT`: the date of HTTP headers (Go's client parses `Last-Modified` strictly).
pub(crate) fn http_date(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::MAX).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_formats_of_clients() {
        assert_eq!(rfc3339(1_769_860_800), "2026-01-31T12:00:00Z");
        assert_eq!(parse_rfc3339("2026-01-31T12:00:00Z"), Some(1_769_860_800));
        assert_eq!(parse_rfc3339("tomorrow"), None);
        assert_eq!(http_date(1_769_860_800), "Sat, 31 Jan 2026 12:00:00 GMT");
    }

    #[test]
    fn time_beyond_the_calendar_becomes_its_end() {
        assert!(rfc3339(i64::MAX).starts_with("9999-12-30"));
    }
}
