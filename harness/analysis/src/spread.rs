//! A few samples of one quantity, and what may be said of so few: median, range, spread.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Samples of one quantity in one cell, none dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    sorted: Vec<u64>,
}

/// An interval of a median between two of its samples.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MedianInterval {
    /// The smaller sample.
    pub low: u64,
    /// The larger sample.
    pub high: u64,
    /// The share of repetitions in which such an interval holds the true median, whatever the distribution.
    pub coverage: f64,
}

impl Spread {
    /// The samples; none where there are none, so that "no value" never becomes 0.
    pub fn of(samples: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut sorted: Vec<u64> = samples.into_iter().collect();
        sorted.sort_unstable();
        (!sorted.is_empty()).then_some(Self { sorted })
    }

    /// Number of samples; never 0.
    pub fn n(&self) -> usize {
        self.sorted.len()
    }

    /// Every sample, smallest first.
    pub fn samples(&self) -> &[u64] {
        &self.sorted
    }

    /// The median; of an even number, the middle of the middle two, rounded down.
    pub fn median(&self) -> u64 {
        middle(&self.sorted)
    }

    /// The median of samples in ns, in seconds.
    pub fn median_s(&self) -> f64 {
        self.median() as f64 / 1e9
    }

    /// The smallest sample.
    pub fn min(&self) -> u64 {
        self.sorted[0]
    }

    /// The largest sample.
    pub fn max(&self) -> u64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// Median absolute deviation from the median, as it is: not scaled to look like a standard deviation.
    pub fn mad(&self) -> u64 {
        let median = self.median();
        let mut away: Vec<u64> = self.sorted.iter().map(|x| x.abs_diff(median)).collect();
        away.sort_unstable();
        middle(&away)
    }

    /// The narrowest interval between order statistics, the same number from each end, that covers the median with at least
    /// this probability; where no such interval is sure enough (fewer than 6 samples for 0.95), the whole range with the
    /// coverage that it really has. Exact for any continuous distribution. None for a single sample.
    pub fn interval(&self, confidence: f64) -> Option<MedianInterval> {
        let n = self.n();
        if n < 2 {
            return None;
        }
        // Terms of the binomial with one half: the chance that exactly i samples lie below the median.
        let mut term = 0.5_f64.powi(n as i32);
        let (mut outside, mut cut, mut coverage) = (0.0, 0, 0.0);
        for i in 0..n / 2 {
            outside += 2.0 * term;
            if i > 0 && 1.0 - outside < confidence {
                break;
            }
            (cut, coverage) = (i, 1.0 - outside);
            term *= (n - i) as f64 / (i + 1) as f64;
        }
        Some(MedianInterval { low: self.sorted[cut], high: self.sorted[n - 1 - cut], coverage })
    }

    /// The samples that lie farther than three quartile ranges outside of the quartiles (Tukey's far-out points). A label
    /// for readers: nothing is ever dropped.
    pub fn outliers(&self) -> Vec<u64> {
        if self.n() < 4 {
            return Vec::new();
        }
        // Quartiles as medians of the halves, the middle sample in both.
        let half = self.n().div_ceil(2);
        let (q1, q3) = (middle(&self.sorted[..half]), middle(&self.sorted[self.n() - half..]));
        let reach = 3 * (u128::from(q3) - u128::from(q1));
        let out = |x: u64| {
            let x = u128::from(x);
            x > u128::from(q3) + reach || x + reach < u128::from(q1)
        };
        self.sorted.iter().copied().filter(|x| out(*x)).collect()
    }
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("Spread", 8)?;
        s.serialize_field("n", &self.n())?;
        s.serialize_field("median", &self.median())?;
        s.serialize_field("min", &self.min())?;
        s.serialize_field("max", &self.max())?;
        s.serialize_field("mad", &self.mad())?;
        s.serialize_field("interval", &self.interval(0.95))?;
        s.serialize_field("outliers", &self.outliers())?;
        s.serialize_field("samples", self.samples())?;
        s.end()
    }
}

/// The median of a sorted, non-empty list.
fn middle(sorted: &[u64]) -> u64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { sorted[half - 1].midpoint(sorted[half]) } else { sorted[half] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spread_of_known_samples() {
        assert_eq!(Spread::of([]), None);
        let one = Spread::of([7]).unwrap();
        assert_eq!((one.n(), one.median(), one.min(), one.max(), one.mad()), (1, 7, 7, 7, 0));
        let some = Spread::of([9, 1, 4, 2]).unwrap();
        assert_eq!((some.median(), some.min(), some.max(), some.mad()), (3, 1, 9, 1));
        assert_eq!(Spread::of([u64::MAX, u64::MAX]).unwrap().median(), u64::MAX);
    }

    proptest! {
        #[test]
        fn at_most_half_of_the_samples_lie_on_each_side_of_the_median(samples in prop::collection::vec(0u64..1_000, 1..20)) {
            let spread = Spread::of(samples.clone()).unwrap();
            let below = samples.iter().filter(|x| **x < spread.median()).count();
            let above = samples.iter().filter(|x| **x > spread.median() + 1).count();
            prop_assert!(below * 2 <= samples.len() && above * 2 <= samples.len());
            prop_assert!(spread.min() <= spread.median() && spread.median() <= spread.max());
            prop_assert!(spread.mad() <= spread.max() - spread.min());
        }
    }
}
