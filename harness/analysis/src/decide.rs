//! Decision from numbers to one of the four verdicts. The only place that decides.

use crate::exact::normal::quantile;
use crate::verdict::{Estimate, Inconclusive, MOST_ROUNDS, Verdict, Why};

/// Input of a verdict. Differences have one unit, whichever it is; below 0 is faster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestResult {
    /// Pairs.
    pub n: usize,
    /// The shift with its interval at `level`.
    pub estimate: Option<Estimate>,
    /// p after Holm.
    pub p_adjusted: f64,
    /// The family's error.
    pub alpha: f64,
    /// The level of the interval.
    pub level: f64,
    /// The smallest effect that matters.
    pub smallest: f64,
    /// The noise floor, where there is one.
    pub floor: Option<f64>,
    /// The fewest rounds that an exact test needs here.
    pub needed: usize,
    /// Standard deviation of the differences.
    pub deviation: Option<f64>,
}

pub(crate) fn decide(e: &TestResult) -> Verdict {
    let Some(estimate) = e.estimate.filter(|_| e.n > 0) else {
        return inconclusive(e, Why::NoPairs);
    };
    let (Some(low), Some(high)) = (estimate.low, estimate.high) else {
        return inconclusive(e, Why::TooFewRounds);
    };
    if -e.smallest <= low && high <= e.smallest {
        return Verdict::Equivalent;
    }
    let size = estimate.value.abs();
    if e.p_adjusted > e.alpha {
        inconclusive(e, Why::Unclear)
    } else if size <= e.smallest {
        inconclusive(e, Why::BelowSmallestEffect)
    } else if e.floor.is_some_and(|floor| size <= floor) {
        inconclusive(e, Why::BelowNoise)
    } else if estimate.value < 0.0 {
        Verdict::Faster
    } else {
        Verdict::Slower
    }
}

pub(crate) fn inconclusive(e: &TestResult, why: Why) -> Verdict {
    Verdict::Inconclusive(Inconclusive { why, rounds_at_least: e.needed, rounds_estimated: estimated(e, why) })
}

/// Rounds after which the interval would be narrow enough, if the estimate and the spread stay what they are.
///
/// Half of an interval of the Hodges-Lehmann shift is about z·s·sqrt(π/3)/sqrt(n) for differences that are about normal.
/// It must come below the distance to 0 for a difference that matters, and below the distance to the smallest effect for one
/// that does not.
fn estimated(e: &TestResult, why: Why) -> Option<usize> {
    let size = e.estimate?.value.abs();
    let rounds = if let (Why::BelowNoise, Some(floor)) = (why, e.floor) {
        // The floor narrows with the square root of the rounds as well.
        e.n as f64 * (floor / size).powi(2)
    } else {
        let room = if size >= e.smallest { size } else { e.smallest - size };
        let z = quantile(1.0 - e.level / 2.0);
        (z * e.deviation? / room).powi(2) * std::f64::consts::FRAC_PI_3
    };
    let rounds = rounds.ceil().max(e.needed as f64).max(e.n as f64 + 1.0);
    (rounds <= MOST_ROUNDS as f64).then_some(rounds as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(value: f64, low: f64, high: f64, p: f64) -> TestResult {
        TestResult {
            n: 8,
            estimate: Some(Estimate { value, low: Some(low), high: Some(high) }),
            p_adjusted: p,
            alpha: 0.05,
            level: 0.01,
            smallest: 2.0,
            floor: None,
            needed: 8,
            deviation: Some(3.0),
        }
    }

    fn word(e: TestResult) -> &'static str {
        decide(&e).word()
    }

    fn why(e: TestResult) -> Why {
        decide(&e).inconclusive().unwrap().why
    }

    #[test]
    fn verdict_changes_with_its_inputs() {
        assert_eq!(word(result(-5.0, -8.0, -1.0, 0.03)), "faster");
        assert_eq!(word(result(5.0, 1.0, 8.0, 0.03)), "slower");
        assert_eq!(word(result(0.1, -1.9, 1.9, 0.6)), "equivalent");
        // Sure, and too small to matter: still equal for a reader.
        assert_eq!(word(result(1.0, 0.5, 1.5, 0.01)), "equivalent");
        assert_eq!(why(result(-5.0, -8.0, 1.0, 0.06)), Why::Unclear);
        assert_eq!(why(result(-1.5, -2.5, -0.5, 0.03)), Why::BelowSmallestEffect);
        let noisy = TestResult { floor: Some(6.0), ..result(-5.0, -8.0, -1.0, 0.03) };
        assert_eq!(why(noisy), Why::BelowNoise);
        assert_eq!(word(TestResult { floor: Some(4.0), ..noisy }), "faster");
        let open = Estimate { value: -50.0, low: None, high: None };
        assert_eq!(why(TestResult { estimate: Some(open), n: 3, ..noisy }), Why::TooFewRounds);
        assert_eq!(why(TestResult { estimate: None, n: 0, ..noisy }), Why::NoPairs);
    }

    #[test]
    fn inconclusive_verdict_estimates_missing_rounds() {
        let verdict = decide(&result(-5.0, -8.0, 1.0, 0.06));
        let missing = verdict.inconclusive().unwrap();
        assert_eq!((missing.rounds_at_least, missing.rounds_estimated), (8, Some(9)));
        let wide = TestResult { deviation: Some(30.0), ..result(-5.0, -8.0, 1.0, 0.06) };
        // (2.5758 · 30 / 5)² · π/3 = 250.1.
        assert_eq!(decide(&wide).inconclusive().unwrap().rounds_estimated, Some(251));
        let hopeless = TestResult { deviation: Some(300.0), ..wide };
        assert_eq!(decide(&hopeless).inconclusive().unwrap().rounds_estimated, None);
    }
}
