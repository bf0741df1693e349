//! Whether values go up or down in order: Kendall's tau with its exact p.

/// Tau of values against their order, and the exact two-sided p. None below three values.
///
/// Equal values count neither way; p is then that of values without ties, which is too large rather than too small.
pub fn trend(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len();
    if n < 3 {
        return None;
    }
    let (mut up, mut down) = (0_usize, 0_usize);
    for (i, a) in values.iter().enumerate() {
        for b in &values[i + 1..] {
            match b.partial_cmp(a) {
                Some(std::cmp::Ordering::Greater) => up += 1,
                Some(std::cmp::Ordering::Less) => down += 1,
                _ => {}
            }
        }
    }
    let pairs = n * (n - 1) / 2;
    let tau = (up as f64 - down as f64) / pairs as f64;
    // The chance of each number of inversions in a random order of n values.
    let mut chances = vec![1.0];
    for k in 2..=n {
        let mut next = vec![0.0; chances.len() + k - 1];
        for (i, chance) in chances.iter().enumerate() {
            for slot in &mut next[i..i + k] {
                *slot += chance / k as f64;
            }
        }
        chances = next;
    }
    // Ties leave the smaller count short of an extreme, and half of them count for either side.
    let fewer = up.min(down) + (pairs - up - down) / 2;
    let tail: f64 = chances[..=fewer].iter().sum();
    Some((tau, (2.0 * tail).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kendall_p_of_a_rising_series_is_exact() {
        let (tau, p) = trend(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((tau - 1.0).abs() < 1e-12 && (p - 2.0 / 120.0).abs() < 1e-12);
        let (tau, p) = trend(&[1.0, 1.0, 1.0]).unwrap();
        assert!(tau.abs() < 1e-12 && (p - 1.0).abs() < 1e-12);
        assert_eq!(trend(&[1.0, 2.0]), None);
    }
}
