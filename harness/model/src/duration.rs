//! Durations for people.

use std::time::Duration;

/// A duration as people read it: `9 s`, `1 min 04 s`, `1 h 02 min`.
pub fn human(duration: Duration) -> String {
    let s = duration.as_secs();
    match (s / 3_600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_at_most_two_units() {
        assert_eq!(human(Duration::from_secs(9)), "9 s");
        assert_eq!(human(Duration::from_secs(64)), "1 min 04 s");
        assert_eq!(human(Duration::from_mins(62)), "1 h 02 min");
    }
}
