//! The unpaired test: Mann and Whitney's rank sum, exact with ties.
//!
//! Under the hypothesis every split of the pooled sample into the two is as likely. The distribution of the second
//! sample's rank sum over all splits is counted, with the midranks that the data have.

use super::ranks::doubled_midranks;
use super::{invert, median_of_doubled, two_sided};

/// Two independent samples.
#[derive(Debug, Clone)]
pub struct RankSum {
    first: Vec<i64>,
    second: Vec<i64>,
    /// Every difference second minus first, doubled and sorted.
    differences: Vec<i64>,
}

impl RankSum {
    /// Test of two samples; none where one of them is empty.
    pub fn new(first: Vec<i64>, second: Vec<i64>) -> Option<Self> {
        let mut differences: Vec<i64> = second.iter().flat_map(|b| first.iter().map(move |a| 2 * (b - a))).collect();
        differences.sort_unstable();
        (!differences.is_empty()).then_some(Self { first, second, differences })
    }

    /// The Hodges-Lehmann shift, second minus first: the median of all differences.
    pub fn estimate(&self) -> f64 {
        median_of_doubled(&self.differences)
    }

    /// The exact two-sided p of "both are of one distribution".
    pub fn p(&self) -> f64 {
        self.p_at(0)
    }

    /// The ends of the interval of shifts that the test does not reject at this level; none: unbounded.
    pub fn interval(&self, level: f64) -> (Option<f64>, Option<f64>) {
        invert::interval(&self.differences, level, &|shift| self.p_at(shift))
    }

    fn p_at(&self, shift: i64) -> f64 {
        let pooled: Vec<i64> =
            self.second.iter().map(|b| 4 * b - shift).chain(self.first.iter().map(|a| 4 * a)).collect();
        let ranks = doubled_midranks(&pooled);
        let sum: usize = ranks[..self.second.len()].iter().sum();
        let chances = split_sums(&ranks, self.second.len());
        two_sided(chances[..=sum].iter().sum(), chances[sum..].iter().sum())
    }
}

/// The chance of each sum of `k` of the ranks when every choice is as likely.
fn split_sums(ranks: &[usize], k: usize) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; total + 1]; k + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for chosen in (1..=k).rev() {
            for sum in (*rank..=total).rev() {
                let with = ways[chosen - 1][sum - rank];
                ways[chosen][sum] += with;
            }
        }
    }
    let all: f64 = ways[k].iter().sum();
    ways.swap_remove(k).into_iter().map(|w| w / all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_sum_of_separated_samples_is_exact() {
        let test = RankSum::new(vec![1, 2, 3, 4], vec![11, 12, 13, 14]).unwrap();
        assert!((test.p() - 2.0 / 70.0).abs() < 1e-14);
        assert!((test.estimate() - 10.0).abs() < 1e-12);
        assert_eq!(test.interval(0.05), (Some(7.0), Some(13.0)));
        assert_eq!(test.interval(0.01), (None, None));
        assert!(RankSum::new(vec![], vec![1]).is_none());
    }
}
