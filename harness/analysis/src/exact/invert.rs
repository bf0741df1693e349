//! The interval of the shifts that a test does not reject.

/// Above this many candidates the end is found by halving, below it by walking inward from the outside.
const WALK: usize = 250;

/// The lowest shift that is not rejected, doubled; none if even shifts below all candidates are not.
///
/// `points` are the shifts, doubled and sorted, at which the statistic changes; between two of them p is constant.
/// `p` takes a shift times four. What is found is the lower end of the closed hull of the accepted shifts: walking inward, the
/// first gap or point that is accepted. (Halving finds the same where the statistic grows steadily with the shift, as it
/// does but for equal data.)
pub(super) fn lower_end(points: &[i64], level: f64, p: &dyn Fn(i64) -> f64) -> Option<i64> {
    // Steps 0, 2, 4 … are the gaps before each point, steps 1, 3, 5 … the points.
    let accepted = |step: usize| {
        let k = step / 2;
        let shift = match (step % 2, k) {
            (1, _) => 2 * points[k],
            (_, 0) => 2 * points[0] - 4,
            _ => points[k - 1] + points[k],
        };
        p(shift) > level
    };
    let steps = 2 * points.len();
    let first = if steps <= 2 * WALK {
        (0..steps).find(|s| accepted(*s))?
    } else {
        let (mut rejected, mut found) = (0, steps / 2);
        if accepted(0) {
            return None;
        }
        while found - rejected > 1 {
            let middle = rejected.midpoint(found);
            if accepted(middle) { found = middle } else { rejected = middle }
        }
        found
    };
    match first {
        0 => None,
        step if step % 2 == 1 => Some(points[step / 2]),
        // The gap is open; its lower border closes it.
        step => Some(points[step / 2 - 1]),
    }
}
