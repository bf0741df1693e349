//! The two clocks of the service: a monotonic one for records, so that they can be laid beside other processes' spans
//! of the same machine, and the wall clock for everything that clients read (expiry, dates).

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

/// Now, in seconds since 1970 (what a JWT carries).
pub(crate) fn unix_seconds() -> i64 {
    Timestamp::now().as_second()
}

/// `2026-01-31T12:00:00Z`: RFC 3339, as protobuf's JSON and Azure's signatures write a time.
pub(crate) fn rfc3339(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::MAX).to_string()
}

/// Reads what [`rfc3339`] writes; `None` when it is not a time.
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
    fn dates_are_written_as_clients_read_them() {
        assert_eq!(rfc3339(1_769_860_800), "2026-01-31T12:00:00Z");
        assert_eq!(parse_rfc3339("2026-01-31T12:00:00Z"), Some(1_769_860_800));
        assert_eq!(parse_rfc3339("tomorrow"), None);
        assert_eq!(http_date(1_769_860_800), "Sat, 31 Jan 2026 12:00:00 GMT");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_its_end() {
        assert!(rfc3339(i64::MAX).starts_with("9999-12-30"));
    }
}
