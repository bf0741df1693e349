//! Numbers as text, with as many digits as carry meaning.

pub(crate) use handoff_analysis::plural;
use handoff_analysis::{Finding, Identity, Spread};
use handoff_model::list::grouped;

/// Text where there is no value.
pub(crate) const NONE: &str = "–";

/// Decimals that give a value in seconds three digits.
fn decimals(seconds: f64) -> usize {
    match seconds {
        s if s < 9.995 => 2,
        s if s < 99.95 => 1,
        _ => 0,
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Median with range, in seconds: `12.3 [11.9–12.8]`. The range has the median's digits.
pub(crate) fn range(spread: Option<&Spread>) -> String {
    let Some(s) = spread else { return NONE.to_owned() };
    let [median, min, max] = [s.median(), s.min(), s.max()].map(seconds);
    let d = decimals(median);
    format!("{median:.d$} [{min:.d$}–{max:.d$}]")
}

/// Median with range and number of trials, in seconds: `12.3 [11.9–12.8] (3)`.
pub(crate) fn time_spread(spread: Option<&Spread>) -> String {
    spread.map_or(NONE.to_owned(), |s| format!("{} ({})", range(Some(s)), s.n()))
}

/// Coverage that the interval of a median has at least, where there are enough samples.
const CONFIDENCE: f64 = 0.95;

/// Interval of the median, in ns; a single sample is its own.
pub(crate) fn interval(spread: &Spread) -> (u64, u64) {
    spread.interval(CONFIDENCE).map_or((spread.min(), spread.max()), |i| (i.low, i.high))
}

/// Interval of the median in seconds, with its coverage.
pub(crate) fn interval_text(spread: &Spread) -> String {
    match spread.interval(CONFIDENCE) {
        None => NONE.to_owned(),
        Some(i) => {
            let [low, high] = [i.low, i.high].map(|ns| seconds_like(ns, spread));
            format!("{low}–{high} ({:.1} %)", i.coverage * 100.0)
        }
    }
}

/// Time in seconds with the digits of a median.
pub(crate) fn seconds_like(ns: u64, spread: &Spread) -> String {
    let d = decimals(seconds(spread.median()));
    format!("{:.d$}", seconds(ns))
}

/// Difference with its sign.
pub(crate) fn sign(value: f64, decimals: usize) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{:.decimals$}", value.abs())
}

/// Median in seconds.
pub(crate) fn time(spread: Option<&Spread>) -> String {
    let Some(s) = spread else { return NONE.to_owned() };
    let median = seconds(s.median());
    format!("{median:.*}", decimals(median))
}

/// Median of bytes, in the unit that fits.
pub(crate) fn size(spread: Option<&Spread>) -> String {
    spread.map_or(NONE.to_owned(), |s| bytes(s.median()))
}

/// Bytes in MiB, from 1 GiB on in GiB.
pub(crate) fn bytes(n: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    let mib = n as f64 / MIB;
    match mib {
        _ if n == 0 => "0 MiB".to_owned(),
        m if m < 0.005 => "< 0.01 MiB".to_owned(),
        m if m < 9.995 => format!("{m:.2} MiB"),
        m if m < 99.95 => format!("{m:.1} MiB"),
        m if m < 1_023.5 => format!("{m:.0} MiB"),
        m => format!("{:.2} GiB", m / 1_024.0),
    }
}

/// Median of a count.
pub(crate) fn count(spread: Option<&Spread>) -> String {
    spread.map_or(NONE.to_owned(), |s| s.median().to_string())
}

/// Levels of identity in words: `content+layers+config yes, index no`.
pub(crate) fn identity(identity: &Identity, n: usize) -> String {
    if n == 0 {
        return NONE.to_owned();
    }
    let words = identity.levels().map(|(level, count)| {
        let word = match count.finding() {
            Finding::Equal => "yes".to_owned(),
            Finding::Different => "no".to_owned(),
            Finding::Absent => "not known".to_owned(),
            Finding::Mixed => format!("in {} of {}", count.equal, count.n()),
        };
        (word, level)
    });
    grouped(words).iter().map(|(word, levels)| format!("{} {word}", levels.join("+"))).collect::<Vec<_>>().join(", ")
}

/// Levels of identity that are equal: `content, layers`; with how often, where trials differ.
pub(crate) fn identical(identity: &Identity, n: usize) -> String {
    let equal = identity.levels().into_iter().filter_map(|(level, count)| match count.finding() {
        Finding::Equal => Some(level.to_owned()),
        Finding::Mixed => Some(format!("{level} in {} of {}", count.equal, count.n())),
        Finding::Different | Finding::Absent => None,
    });
    let equal: Vec<String> = equal.collect();
    if n == 0 || equal.is_empty() { NONE.to_owned() } else { equal.join(", ") }
}

/// Text with a capital at its start.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let of = |ns: &[u64]| time_spread(Spread::of(ns.iter().copied()).as_ref());
        assert_eq!(of(&[]), "–");
        assert_eq!(of(&[1_234_000_000]), "1.23 [1.23–1.23] (1)");
        assert_eq!(of(&[9_000_000_000, 12_345_000_000, 112_000_000_000]), "12.3 [9.0–112.0] (3)");
        assert_eq!(of(&[9_996_000_000]), "10.0 [10.0–10.0] (1)");
        assert_eq!(of(&[480_400_000_000]), "480 [480–480] (1)");
    }

    #[test]
    fn bytes_change_unit_where_they_should() {
        let texts: Vec<String> = [0, 1, 5 << 20, 67_108_864, 1_073_000_000, 1 << 30, 3_221_225_472].map(bytes).into();
        assert_eq!(texts, ["0 MiB", "< 0.01 MiB", "5.00 MiB", "64.0 MiB", "1023 MiB", "1.00 GiB", "3.00 GiB"]);
    }
}
