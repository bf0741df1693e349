//! The interval of the shifts that a test does not reject.

/// Above this many candidates the end is found by halving, below it by walking inward from the outside.
const WALK: usize = 250;

/// The ends of the interval of shifts that a symmetric test does not reject at this level; none: unbounded. `points` are the
/// doubled shifts at which the statistic changes, sorted; `p` takes a shift times four.
pub(super) fn interval(points: &[i64], level: f64, p: &dyn Fn(i64) -> f64) -> (Option<f64>, Option<f64>) {
    let mut points = points.to_vec();
    points.dedup();
    let low = lower_end(&points, level, p);
    let mirrored: Vec<i64> = points.iter().rev().map(|m| -m).collect();
    // The test is symmetric, so the upper end is the lower end of the mirror image.
    let high = lower_end(&mirrored, level, &|shift| p(-shift)).map(|end| -end);
    (low.map(|end| end as f64 / 2.0), high.map(|end| end as f64 / 2.0))
}

/// The lowest shift that is not rejected, doubled; none if even shifts below all candidates are not.
///
/// `points` are the shifts, doubled and sorted, at which the statistic changes; between two of them p is constant.
/// `p` takes a shift times four. What is found is the lower end of the closed hull of the accepted shifts: walking inward, the
/// first gap or point that is accepted. (Halving finds the same where the statistic grows steadily with the shift, as it
/// does but for equal data.)
fn lower_end(points: &[i64], level: f64, p: &dyn Fn(i64) -> f64) -> Option<i64> {
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
