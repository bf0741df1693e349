//! Holm's correction of a family, and the levels at which its members' intervals agree with it.

/// One member of a family after the correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrected {
    /// Adjusted p: the smallest error of the family at which Holm rejects this member.
    pub p: f64,
    /// The level at which Holm tests this member: an interval at this level leaves out 0 exactly where Holm rejects.
    pub level: f64,
}

/// Corrects the p values of a family of `ps.len()` members for an error of `alpha`.
///
/// The smallest p is tested at alpha/m, the next at alpha/(m-1), and so on until one is not rejected: that one's level is
/// the level of all that follow. Equal p values share the level of the first of them, so that order never matters.
pub fn holm(ps: &[f64], alpha: f64) -> Vec<Corrected> {
    let m = ps.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut all = vec![Corrected { p: 1.0, level: alpha }; m];
    let (mut largest, mut stopped): (f64, Option<f64>) = (0.0, None);
    let mut previous: Option<(f64, f64)> = None;
    for (k, i) in order.into_iter().enumerate() {
        largest = largest.max(ps[i] * (m - k) as f64).min(1.0);
        let next = previous.filter(|(p, _)| p.total_cmp(&ps[i]).is_eq()).map_or(alpha / (m - k) as f64, |(_, l)| l);
        let level = stopped.unwrap_or(next);
        if ps[i] > level {
            stopped.get_or_insert(level);
        }
        previous = Some((ps[i], level));
        all[i] = Corrected { p: largest, level };
    }
    all
}

/// The fewest pairs with which the exact paired test can reject one member of a family of `m`: with n pairs its smallest
/// p is 2 to the power 1-n.
pub fn rounds_needed(m: usize, alpha: f64) -> usize {
    let level = alpha / m.max(1) as f64;
    (1..=64).find(|n| 0.5_f64.powi(n - 1) <= level).map_or(64, |n| n as usize)
}

/// The fewest samples a side with which the exact unpaired test can reject one member of a family of `m`.
pub fn samples_needed(m: usize, alpha: f64) -> usize {
    let level = alpha / m.max(1) as f64;
    let mut splits = 1.0;
    for n in 1..=64 {
        // Splits of 2n into two halves: each step multiplies by (2n-1)2n/n².
        splits *= (2 * n - 1) as f64 * 2.0 / n as f64;
        if 2.0 / splits <= level {
            return n;
        }
    }
    64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fewest_rounds_for_known_family_sizes() {
        let needed = [1, 4, 5, 10].map(|m| rounds_needed(m, 0.05));
        assert_eq!(needed, [6, 8, 8, 9]);
        assert_eq!(samples_needed(1, 0.05), 4);
    }

    #[test]
    fn holm_matches_a_textbook_example() {
        let all = holm(&[0.01, 0.04, 0.03, 0.005], 0.05);
        let ps: Vec<f64> = all.iter().map(|c| (c.p * 1e6).round() / 1e6).collect();
        assert_eq!(ps, [0.03, 0.06, 0.06, 0.02]);
        // 0.03 is not rejected at 0.025, and stops the one behind it at that level.
        assert!((all[2].level - 0.025).abs() < 1e-15 && (all[1].level - 0.025).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn holm_level_and_adjusted_p_agree(ps in prop::collection::vec(prop::sample::select(vec![0.001, 0.006, 0.01, 0.012, 0.02, 0.04, 0.3]), 1..8)) {
            for (p, c) in ps.iter().zip(holm(&ps, 0.05)) {
                prop_assert_eq!(*p <= c.level, c.p <= 0.05 + 1e-12);
                prop_assert!(c.p >= *p);
            }
        }
    }
}
