use super::*;
use crate::verdict::{Comparison, FamilyKind, Inconclusive, Why};

fn spec(name: &str) -> StrategySpec {
    StrategySpec::plain(name)
}

/// A family whose comparisons are written `a<b` (a is faster), `a>b`, `a=b` or `a?b`.
fn family(kind: FamilyKind, comparisons: &[&str]) -> Family {
    let open = || Inconclusive { why: Why::Unclear, rounds_at_least: 8, rounds_estimated: None };
    let comparison = |text: &&str| {
        let (strategy, reference) = (spec(&text[..1]), spec(&text[2..]));
        let verdict = match &text[1..2] {
            "<" => Verdict::Faster,
            ">" => Verdict::Slower,
            "=" => Verdict::Equivalent,
            _ => Verdict::Inconclusive(open()),
        };
        Comparison {
            strategy,
            reference,
            pairs: 8,
            left_out: 0,
            shift_s: None,
            ratio: None,
            p: None,
            p_adjusted: None,
            level: 0.05,
            smallest_effect_s: 2.0,
            decided_in: None,
            verdict,
        }
    };
    let comparisons: Vec<Comparison> = comparisons.iter().map(comparison).collect();
    let size = comparisons.len();
    Family { kind, metric: Metric::CriticalPath, size, rounds_needed: 8, decidable: size, comparisons }
}

fn ranks(strategies: &str, families: &[&Family]) -> Vec<(usize, usize)> {
    let all: Vec<StrategySpec> = strategies.split(' ').map(spec).collect();
    let order = Order::new(all.iter().collect(), families);
    (0..all.len()).map(|at| order.ranks(at)).collect()
}

#[test]
fn undecided_strategies_share_a_rank_range() {
    let against = family(FamilyKind::Reference, &["a>r", "b>r", "c?r"]);
    let pairs = family(FamilyKind::AllPairs, &["a?b", "a?c", "b?c", "a?r", "b?r", "c?r"]);
    assert_eq!(ranks("a b c r", &[&against, &pairs]), [(2, 4), (2, 4), (1, 4), (1, 2)]);
}

#[test]
fn faster_than_is_transitive() {
    let against = family(FamilyKind::Reference, &["a<r", "b>r"]);
    // Only by way of r is a ahead of b.
    assert_eq!(ranks("a b r", &[&against]), [(1, 1), (3, 3), (2, 2)]);
}

#[test]
fn reference_family_takes_precedence_over_all_pairs() {
    let against = family(FamilyKind::Reference, &["a=r"]);
    let pairs = family(FamilyKind::AllPairs, &["a>r"]);
    assert_eq!(known([&against, &pairs], &spec("a"), &spec("r")).0, Known::Equivalent);
    assert_eq!(known([&pairs], &spec("r"), &spec("a")).0, Known::Ahead, "the other way round");
    assert_eq!(known([&against], &spec("a"), &spec("b")).0, Known::Open);
}

#[test]
fn circular_verdicts_give_no_rank() {
    let pairs = family(FamilyKind::AllPairs, &["a<b", "b<c", "a>c", "a<d", "b<d", "c<d"]);
    let all: Vec<StrategySpec> = ["a", "b", "c", "d"].map(spec).into();
    let order = Order::new(all.iter().collect(), &[&pairs]);
    assert_eq!(order.contradicted(), [&spec("a"), &spec("b"), &spec("c")]);
}

#[test]
fn strategy_ahead_of_its_equivalent_gets_no_rank() {
    let pairs = family(FamilyKind::AllPairs, &["a<b", "b<c", "a=c"]);
    let all: Vec<StrategySpec> = ["a", "b", "c"].map(spec).into();
    assert_eq!(Order::new(all.iter().collect(), &[&pairs]).contradicted(), [&spec("a"), &spec("c")]);
}
