//! Byte ranges, as `Range` and `x-ms-range` carry them.

/// Range that a header requests, given the size of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestedRange {
    /// The whole blob: no range, or one that HTTP ignores.
    Whole,
    /// A part of the blob; never empty.
    Partial {
        /// First byte.
        start: u64,
        /// Number of bytes.
        length: u64,
    },
    /// A range that begins past the end.
    PastEnd,
}

/// Parses a range header. Several ranges at once and other units are ignored, as Azure and RFC 9110 allow.
pub(crate) fn requested_range(header: Option<&str>, size: u64) -> RequestedRange {
    header.and_then(|text| parse(text, size)).unwrap_or(RequestedRange::Whole)
}

fn parse(text: &str, size: u64) -> Option<RequestedRange> {
    let (unit, span) = text.trim().split_once('=')?;
    let (first, last) = span.split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (start, end) = match (first.trim(), last.trim()) {
        // The last N bytes.
        ("", count) => (size.saturating_sub(number(count)?), size),
        (start, "") => (number(start)?, size),
        (start, last) => {
            let (start, last) = (number(start)?, number(last)?);
            if last < start {
                return None;
            }
            (start, last.saturating_add(1).min(size))
        }
    };
    Some(if start >= size { RequestedRange::PastEnd } else { RequestedRange::Partial { start, length: end - start } })
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A position beyond 2^64 is beyond every blob.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn range_headers_are_parsed() {
        let part = |start, length| RequestedRange::Partial { start, length };
        for (text, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=10-", part(10, 90)),
            ("bytes=90-1000", part(90, 10)),
            ("bytes=-10", part(90, 10)),
            ("bytes=-1000", part(0, 100)),
            ("BYTES = 1 - 2", part(1, 2)),
            ("bytes=100-", RequestedRange::PastEnd),
            ("bytes=18446744073709551616-", RequestedRange::PastEnd),
            ("bytes=-0", RequestedRange::PastEnd),
            ("bytes=5-4", RequestedRange::Whole),
            ("bytes=0-1,3-4", RequestedRange::Whole),
            ("bytes=-", RequestedRange::Whole),
            ("items=0-1", RequestedRange::Whole),
            ("bytes=+1-2", RequestedRange::Whole),
            ("", RequestedRange::Whole),
        ] {
            assert_eq!(requested_range(Some(text), 100), expected, "{text}");
        }
        assert_eq!(requested_range(None, 100), RequestedRange::Whole);
        assert_eq!(requested_range(Some("bytes=0-"), 0), RequestedRange::PastEnd);
    }

    proptest! {
        #[test]
        fn part_is_inside_the_blob_and_starts_as_requested(start: u64, last: u64, size: u64) {
            let text = format!("bytes={start}-{last}");
            match requested_range(Some(&text), size) {
                RequestedRange::Partial { start: from, length } => {
                    prop_assert_eq!(from, start);
                    prop_assert!(length > 0);
                    prop_assert_eq!(u128::from(from) + u128::from(length), (u128::from(last) + 1).min(size.into()));
                }
                RequestedRange::PastEnd => prop_assert!(start >= size && start <= last),
                RequestedRange::Whole => prop_assert!(last < start),
            }
        }

        #[test]
        fn parsing_any_text_never_panics(text: String, size: u64) {
            if let RequestedRange::Partial { start, length } = requested_range(Some(&text), size) {
                prop_assert!(start.checked_add(length).is_some_and(|end| end <= size));
            }
        }
    }
}
