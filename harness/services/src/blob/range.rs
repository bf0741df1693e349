//! Byte ranges, as `Range` and `x-ms-range` carry them.

/// What a range header asks for, given the size of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No range, or one that HTTP says to ignore: everything.
    All,
    /// That many bytes from that offset; never empty.
    Part {
        /// First byte.
        start: u64,
        /// Number of bytes.
        length: u64,
    },
    /// It begins past the end.
    Beyond,
}

/// Reads a range header. Several ranges at once and other units are ignored, as Azure and RFC 9110 allow.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    header.and_then(|text| parse(text, size)).unwrap_or(Wanted::All)
}

fn parse(text: &str, size: u64) -> Option<Wanted> {
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
    Some(if start >= size { Wanted::Beyond } else { Wanted::Part { start, length: end - start } })
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
    fn the_usual_forms_are_understood() {
        let part = |start, length| Wanted::Part { start, length };
        for (text, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=10-", part(10, 90)),
            ("bytes=90-1000", part(90, 10)),
            ("bytes=-10", part(90, 10)),
            ("bytes=-1000", part(0, 100)),
            ("BYTES = 1 - 2", part(1, 2)),
            ("bytes=100-", Wanted::Beyond),
            ("bytes=18446744073709551616-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("items=0-1", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(Some(text), 100), expected, "{text}");
        }
        assert_eq!(wanted(None, 100), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_and_is_what_was_asked(start: u64, last: u64, size: u64) {
            let text = format!("bytes={start}-{last}");
            match wanted(Some(&text), size) {
                Wanted::Part { start: from, length } => {
                    prop_assert_eq!(from, start);
                    prop_assert!(length > 0);
                    prop_assert_eq!(u128::from(from) + u128::from(length), (u128::from(last) + 1).min(size.into()));
                }
                Wanted::Beyond => prop_assert!(start >= size && start <= last),
                Wanted::All => prop_assert!(last < start),
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text: String, size: u64) {
            if let Wanted::Part { start, length } = wanted(Some(&text), size) {
                prop_assert!(start.checked_add(length).is_some_and(|end| end <= size));
            }
        }
    }
}
