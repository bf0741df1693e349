//! The paired test: Wilcoxon's signed ranks, exact with ties and zeros, in one or several strata.
//!
//! Under the hypothesis each difference is as likely to have the other sign. The statistic is the sum of the ranks of the
//! differences above 0; its distribution over all sign patterns is counted exactly. Ties share their rank; a difference of
//! 0 keeps its rank from the others but has no sign to flip (Pratt). In several strata ranks are given within each, and the
//! sums are added.

use super::ranks::doubled_midranks;
use super::{invert, median_of_doubled, two_sided};

/// Differences of pairs, in strata.
#[derive(Debug, Clone)]
pub struct SignedRank {
    strata: Vec<Vec<i64>>,
    /// The doubled means of all pairs within a stratum (each with itself too), sorted.
    means: Vec<i64>,
}

/// Magnitudes above this would overflow when multiplied by four; no time in ns and no log comes near.
const LARGEST: i64 = i64::MAX / 16;

impl SignedRank {
    /// Differences of one stratum. None where there are no pairs.
    pub fn new(differences: Vec<i64>) -> Option<Self> {
        Self::stratified(vec![differences])
    }

    /// Differences in strata.
    pub fn stratified(strata: Vec<Vec<i64>>) -> Option<Self> {
        let strata: Vec<Vec<i64>> = strata
            .into_iter()
            .filter(|s| !s.is_empty())
            .map(|s| s.into_iter().map(|d| d.clamp(-LARGEST, LARGEST)).collect())
            .collect();
        let mut means: Vec<i64> = Vec::new();
        for stratum in &strata {
            for (i, a) in stratum.iter().enumerate() {
                means.extend(stratum[i..].iter().map(|b| a + b));
            }
        }
        means.sort_unstable();
        (!means.is_empty()).then_some(Self { strata, means })
    }

    /// Number of pairs.
    pub fn n(&self) -> usize {
        self.strata.iter().map(Vec::len).sum()
    }

    /// The Hodges-Lehmann estimate: the median of the means of all pairs of differences.
    pub fn estimate(&self) -> f64 {
        median_of_doubled(&self.means)
    }

    /// The exact two-sided p of "the differences are symmetric around 0".
    pub fn p(&self) -> f64 {
        self.p_at(0)
    }

    /// The ends of the interval of shifts that the test does not reject at this level; none: unbounded.
    pub fn interval(&self, level: f64) -> (Option<f64>, Option<f64>) {
        invert::interval(&self.means, level, &|shift| self.p_at(shift))
    }

    /// The p of "symmetric around shift/4".
    fn p_at(&self, shift: i64) -> f64 {
        let mut flips: Vec<usize> = Vec::new();
        let mut sum = 0;
        for stratum in &self.strata {
            let values: Vec<i64> = stratum.iter().map(|d| 4 * d - shift).collect();
            let sizes: Vec<u64> = values.iter().map(|v| v.unsigned_abs()).collect();
            for (value, rank) in values.iter().zip(doubled_midranks(&sizes)) {
                if *value > 0 {
                    sum += rank;
                }
                if *value != 0 {
                    flips.push(rank);
                }
            }
        }
        let chances = subset_sums(&flips);
        two_sided(chances[..=sum].iter().sum(), chances[sum..].iter().sum())
    }
}

/// The chance of each sum when every rank is in or out with one half.
fn subset_sums(ranks: &[usize]) -> Vec<f64> {
    let mut chances = vec![0.0_f64; ranks.iter().sum::<usize>() + 1];
    chances[0] = 1.0;
    let mut reach = 0;
    for rank in ranks {
        reach += rank;
        for sum in (0..=reach).rev() {
            let with = if sum >= *rank { chances[sum - rank] } else { 0.0 };
            chances[sum] = chances[sum].midpoint(with);
        }
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(differences: &[i64]) -> SignedRank {
        SignedRank::new(differences.to_vec()).unwrap()
    }

    #[test]
    fn six_differences_of_one_sign_have_p_of_one_thirty_second() {
        let six = test(&[-5, -9, -4, -7, -6, -12]);
        assert!((six.p() - 0.031_25).abs() < 1e-15);
        assert_eq!(six.interval(0.05), (Some(-12.0), Some(-4.0)));
        assert_eq!(six.interval(0.03), (None, None));
        assert!((six.estimate() - -7.0).abs() < 1e-12);
        assert!((test(&[-5, -9, -4, -7, -6]).p() - 0.0625).abs() < 1e-15);
    }

    #[test]
    fn zero_differences_have_no_sign() {
        assert!((test(&[0, 0, 0]).p() - 1.0).abs() < 1e-15);
        // Two signs are left to flip: one pattern of four on each side.
        assert!((test(&[0, 3, 4]).p() - 0.5).abs() < 1e-15);
    }

    #[test]
    fn stratified_test_adds_the_strata() {
        let both = SignedRank::stratified(vec![vec![1, 2, 3], vec![], vec![100, 200, 300]]).unwrap();
        assert_eq!(both.n(), 6);
        assert!((both.p() - 2.0 / 64.0).abs() < 1e-15);
        assert!(SignedRank::stratified(vec![vec![]]).is_none());
    }
}
