//! Stated rates, checked by simulation with fixed seeds.

use handoff_analysis::Spread;
use handoff_analysis::exact::rank_sum::RankSum;
use handoff_analysis::exact::signed_rank::SignedRank;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const RUNS: u32 = 4_000;

/// A value of a skewed distribution around 0 whose sign is as likely as not: heavy tails, as times have.
fn symmetric(rng: &mut ChaCha8Rng) -> i64 {
    let uniform = |rng: &mut ChaCha8Rng| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let size = -(1.0 - uniform(rng)).ln() * 1e9;
    let sign = if rng.next_u64().is_multiple_of(2) { 1.0 } else { -1.0 };
    (size * sign) as i64
}

/// How often something held, with the half width that chance allows (four standard errors).
fn rate(mut one: impl FnMut(&mut ChaCha8Rng) -> bool, seed: u64) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let held = (0..RUNS).filter(|_| one(&mut rng)).count() as f64 / f64::from(RUNS);
    (held, 4.0 * (held * (1.0 - held) / f64::from(RUNS)).sqrt())
}

fn covers((low, high): (Option<f64>, Option<f64>), truth: f64) -> bool {
    low.is_none_or(|l| l <= truth) && high.is_none_or(|h| truth <= h)
}

#[test]
fn paired_intervals_cover_the_shift_at_least_as_often_as_stated() {
    let truth = -3_000_000_000_i64;
    for (n, level) in [(6, 0.05), (8, 0.0125), (10, 0.05)] {
        let (held, chance) = rate(
            |rng| {
                let differences = (0..n).map(|_| truth + symmetric(rng)).collect();
                covers(SignedRank::new(differences).unwrap().interval(level), truth as f64)
            },
            n,
        );
        assert!(held >= 1.0 - level - chance, "n {n}, level {level}: {held}");
        // The attainable level is near: an interval that covers always would say nothing.
        assert!(held < 0.999, "n {n}, level {level}: {held}");
    }
}

#[test]
fn unpaired_intervals_cover_the_shift_at_least_as_often_as_stated() {
    let (held, chance) = rate(
        |rng| {
            let first = (0..6).map(|_| symmetric(rng)).collect();
            let second = (0..7).map(|_| 5_000_000_000 + symmetric(rng)).collect();
            covers(RankSum::new(first, second).unwrap().interval(0.05), 5e9)
        },
        11,
    );
    assert!(held >= 0.95 - chance && held < 0.999, "{held}");
}

#[test]
fn median_intervals_cover_as_often_as_stated() {
    for n in [3_usize, 5, 8, 11] {
        let median = 40_000_000_000_u64;
        let mut stated = 0.0;
        let (held, chance) = rate(
            |rng| {
                let samples = (0..n).map(|_| (median as i64 + symmetric(rng)).unsigned_abs());
                let interval = Spread::of(samples).unwrap().interval(0.95).unwrap();
                stated = interval.coverage;
                interval.low <= median && median <= interval.high
            },
            n as u64,
        );
        assert!((held - stated).abs() <= chance + 0.002, "n {n}: {held}, stated {stated}");
    }
}

#[test]
fn exact_test_keeps_its_error_rate() {
    for n in [3, 6, 8] {
        let (rejected, chance) =
            rate(|rng| SignedRank::new((0..n).map(|_| symmetric(rng)).collect()).unwrap().p() <= 0.05, 100 + n);
        assert!(rejected <= 0.05 + chance, "n {n}: {rejected}");
    }
}
