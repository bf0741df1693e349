"""Golden values of the exact tests, from scipy and from plain enumeration.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scipy numpy
    /tmp/venv/bin/python harness/analysis/tests/scipy/goldens.py > harness/analysis/tests/scipy/goldens.json

Nothing here is shared with the Rust code: p values come from scipy's own tests (all permutations), intervals from trying
the test on every gap between candidate shifts, estimates from numpy's median.
"""

import itertools
import json
import sys

import numpy as np
import scipy
from scipy import stats

ALL = stats.PermutationMethod(n_resamples=np.inf)


def signed_rank_p(differences):
    # Neither has anything to permute, and scipy refuses both.
    if len(differences) == 1 or all(d == 0 for d in differences):
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="pratt", correction=False, method=ALL).pvalue)


def stratified_p(strata):
    """All sign patterns of all strata together, by enumeration over scipy's ranks."""
    ranks, signs = [], []
    for s in strata:
        ranks += list(stats.rankdata(np.abs(s)))
        signs += list(np.sign(s))
    ranks, signs = np.array(ranks), np.array(signs)
    live = ranks[signs != 0]
    seen = ranks[signs > 0].sum()
    sums = np.array([np.dot(live, bits) for bits in itertools.product([0, 1], repeat=len(live))])
    return float(min(1.0, 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean())))


def rank_sum_p(first, second):
    if len(set(first) | set(second)) == len(first) + len(second):
        return float(stats.mannwhitneyu(second, first, method="exact").pvalue)
    return float(stats.mannwhitneyu(second, first, method=ALL).pvalue)


def hull(points, accepted):
    """The closed hull of the shifts that are accepted, looking at every candidate and every gap between two."""
    points = sorted(set(points))
    inside = []
    if accepted(points[0] - 1):
        inside.append(-np.inf)
    if accepted(points[-1] + 1):
        inside.append(np.inf)
    inside += [p for p in points if accepted(p)]
    for a, b in zip(points, points[1:]):
        if accepted((a + b) / 2):
            inside += [a, b]
    ends = [min(inside), max(inside)]
    return [None if not np.isfinite(e) else float(e) for e in ends]


def walsh(xs):
    return [(xs[i] + xs[j]) / 2 for i in range(len(xs)) for j in range(i, len(xs))]


def paired(differences, levels):
    means = walsh(differences)
    return {
        "differences": differences,
        "p": signed_rank_p(differences),
        "estimate": float(np.median(means)),
        "intervals": [
            [level, *hull(means, lambda t: signed_rank_p([d - t for d in differences]) > level)] for level in levels
        ],
    }


def stratified(strata, levels):
    means = [m for s in strata for m in walsh(s)]
    return {
        "strata": strata,
        "p": stratified_p(strata),
        "estimate": float(np.median(means)),
        "intervals": [
            [level, *hull(means, lambda t: stratified_p([[d - t for d in s] for s in strata]) > level)]
            for level in levels
        ],
    }


def unpaired(first, second, levels):
    differences = [b - a for a in first for b in second]
    return {
        "first": first,
        "second": second,
        "p": rank_sum_p(first, second),
        "estimate": float(np.median(differences)),
        "intervals": [
            [level, *hull(differences, lambda t: rank_sum_p(first, [b - t for b in second]) > level)]
            for level in levels
        ],
    }


def median_interval(n, confidence):
    """The rank of the lower end, from 0, and the coverage."""
    best = (0, float(1 - 2 * stats.binom.cdf(0, n, 0.5)))
    for k in range(1, n // 2):
        coverage = float(1 - 2 * stats.binom.cdf(k, n, 0.5))
        if coverage >= confidence:
            best = (k, coverage)
    return {"n": n, "confidence": confidence, "rank": best[0], "coverage": best[1]}


def main():
    levels = [0.05, 0.0125]
    rng = np.random.default_rng(20261125)
    draw = lambda n, at, width: [int(x) for x in rng.normal(at, width, n).round()]
    out = {
        "scipy": scipy.__version__,
        "paired": [
            paired([-5, -9, -4, -7, -6, -12], levels),
            paired([3, -1, 4, 1, -5, 9, 2, 6], levels),
            paired([0, 0, 2, -2, 2, 5, 5, -1], levels),
            paired([0, 0, 0, 1], levels),
            paired([7], levels),
            paired(draw(9, -40, 30), levels),
            paired(draw(11, 10, 6), levels),
            paired(draw(12, 0, 4), levels),
        ],
        "stratified": [
            stratified([[5, 9, 4], [70, 30, -20]], levels),
            stratified([draw(5, -30, 20), draw(4, -10, 25), draw(3, -50, 9)], levels),
            stratified([[0, 3, 3], [-3, 1, 8]], levels),
        ],
        "unpaired": [
            unpaired([1, 2, 3, 4], [11, 12, 13, 14], levels),
            unpaired([5, 5, 6, 7], [5, 6, 6, 9, 9], levels),
            unpaired(draw(6, 100, 20), draw(7, 140, 20), levels),
            unpaired(draw(3, 100, 20), draw(3, 140, 20), levels),
        ],
        "kendall": [
            {"values": v, "tau": float(r.statistic), "p": float(r.pvalue)}
            for v in ([1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 1.0, 2.0, 5.0, 4.0, 7.0, 8.0, 6.0], [9.0, 2.5, 7.0, 1.0])
            for r in [stats.kendalltau(range(len(v)), v, method="exact")]
        ],
        "median_interval": [median_interval(n, c) for n in [2, 3, 5, 6, 8, 9, 15, 30, 51] for c in [0.95, 0.99]],
    }
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
