//! A few samples of one quantity, and what may be said of so few: median, range, spread.

/// Samples of one quantity in one cell, none dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    sorted: Vec<u64>,
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
    fn known_values() {
        assert_eq!(Spread::of([]), None);
        let one = Spread::of([7]).unwrap();
        assert_eq!((one.n(), one.median(), one.min(), one.max(), one.mad()), (1, 7, 7, 7, 0));
        let some = Spread::of([9, 1, 4, 2]).unwrap();
        assert_eq!((some.median(), some.min(), some.max(), some.mad()), (3, 1, 9, 1));
        assert_eq!(Spread::of([u64::MAX, u64::MAX]).unwrap().median(), u64::MAX);
    }

    proptest! {
        #[test]
        fn half_lies_on_each_side(samples in prop::collection::vec(0u64..1_000, 1..20)) {
            let spread = Spread::of(samples.clone()).unwrap();
            let below = samples.iter().filter(|x| **x < spread.median()).count();
            let above = samples.iter().filter(|x| **x > spread.median() + 1).count();
            prop_assert!(below * 2 <= samples.len() && above * 2 <= samples.len());
            prop_assert!(spread.min() <= spread.median() && spread.median() <= spread.max());
            prop_assert!(spread.mad() <= spread.max() - spread.min());
        }
    }
}
