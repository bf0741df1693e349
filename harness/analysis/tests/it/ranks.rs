//! A rank and a verdict of one report never contradict each other.

use handoff_analysis::{Analysis, Group, Known, Metric, Verdict};
use handoff_model::{Conditions, StrategySpec};
use proptest::prelude::*;

use crate::kit::{SampleRun, plan};

const SEVEN: &str = "artifact,cache-tar,gha-cache,local-cache,relay,zstd-stream,rebuild";

/// Every verdict on a critical path that a report shows of a group: (faster, slower).
fn decided(group: &Group) -> Vec<(&StrategySpec, &StrategySpec)> {
    let families = group.families.iter().filter(|f| f.metric == Metric::CriticalPath).chain(&group.pairs);
    let order = |c: &'_ handoff_analysis::Comparison| match c.verdict {
        Verdict::Faster => Some(false),
        Verdict::Slower => Some(true),
        Verdict::Equivalent | Verdict::Inconclusive(_) => None,
    };
    families
        .flat_map(|f| &f.comparisons)
        .filter_map(|c| Some(if order(c)? { (&c.reference, &c.strategy) } else { (&c.strategy, &c.reference) }))
        .collect()
}

/// What must hold of any report.
fn check(analysis: &Analysis) -> Result<(), TestCaseError> {
    for group in &analysis.groups {
        let ranked = group.ranking.places.len();
        for place in &group.ranking.places {
            prop_assert!(1 <= place.rank && place.rank <= place.worst_rank && place.worst_rank <= ranked, "{place:?}");
        }
        for (faster, slower) in decided(group) {
            let (Some(before), Some(after)) = (group.rank_range(faster), group.rank_range(slower)) else { continue };
            prop_assert!(before.rank < after.rank, "{faster} is faster than {slower}: {:?}", group.ranking);
            prop_assert!(before.worst_rank < after.worst_rank, "{faster} is faster than {slower}: {:?}", group.ranking);
            // The family against the reference may call a pair equivalent that the other one decides: never the opposite.
            prop_assert_ne!(group.known(faster, slower).0, Known::Behind);
        }
        for a in &group.ranking.places {
            for b in group.ranking.places.iter().filter(|b| a.worst_rank < b.rank) {
                let known = group.known(&a.strategy, &b.strategy).0;
                prop_assert!(matches!(known, Known::Ahead | Known::Open), "{a:?} before {b:?}, and {known:?}");
            }
        }
    }
    for pooled in &analysis.pooled {
        let sizes = analysis.groups.iter().filter(|g| g.key.conditions == pooled.conditions);
        for group in sizes {
            for c in &pooled.comparisons {
                let known = group.known(&c.strategy, &pooled.reference).0;
                match c.verdict {
                    Verdict::Faster => prop_assert_ne!(known, Known::Behind),
                    Verdict::Slower => prop_assert_ne!(known, Known::Ahead),
                    Verdict::Equivalent => prop_assert!(!matches!(known, Known::Ahead | Known::Behind)),
                    Verdict::Inconclusive(_) => {}
                }
            }
        }
    }
    Ok(())
}

/// Seconds of a trial: a level of the strategy, a step of a few seconds that depends on the round, and sometimes a failure.
/// Whole numbers, so that ties happen.
fn sample(
    strategies: usize,
    rounds: u32,
    sizes: usize,
    control: bool,
    levels: &[u32],
    steps: &[u32],
    fails: u32,
) -> SampleRun {
    let names: Vec<&str> = SEVEN.rsplit(',').take(strategies).collect();
    let plan = plan("r", &names.join(","), &["1GiB", "2GiB"][..sizes], rounds, control, Conditions::default());
    let index = |s: &str| SEVEN.split(',').position(|n| n == s.trim_end_matches('+')).unwrap();
    SampleRun::run("r", &plan, move |strategy, round, gib| {
        let at = index(strategy) + 7 * (gib as usize - 1);
        let step = steps[(at * 31 + round as usize * 17 + usize::from(strategy.ends_with('+')) * 5) % steps.len()];
        if fails > 0 && (at as u32 * 13 + round * 7) % 64 < fails {
            return None;
        }
        Some((None, f64::from(levels[at] + step), 5.0))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn rank_and_verdict_never_contradict_each_other(
        strategies in 2usize..=7, rounds in 1u32..=12, sizes in 1usize..=2, control: bool, fails in 0u32..3,
        levels in prop::collection::vec(20u32..60, 14), steps in prop::collection::vec(0u32..12, 97)
    ) {
        check(&sample(strategies, rounds, sizes, control, &levels, &steps, fails).analyse())?;
    }

    #[test]
    fn rank_and_verdict_agree_for_close_strategies(
        strategies in 3usize..=7, rounds in 6u32..=12, control: bool,
        levels in prop::collection::vec(20u32..26, 14), steps in prop::collection::vec(0u32..3, 97)
    ) {
        check(&sample(strategies, rounds, 2, control, &levels, &steps, 0).analyse())?;
    }
}

#[test]
fn eight_rounds_of_seven_strategies_rank_those_that_are_surely_slower_behind() {
    let levels: Vec<u32> = (0..14).map(|at| if at % 7 == 6 { 20 } else { 40 + at % 7 }).collect();
    let steps: Vec<u32> = (0..97).map(|n| n % 2).collect();
    let analysis = sample(7, 8, 1, false, &levels, &steps, 0).analyse();
    let group = &analysis.groups[0];
    assert!(group.main_family().unwrap().comparisons.iter().all(|c| c.verdict == Verdict::Slower));
    let pairs = group.pairs.as_ref().unwrap();
    assert_eq!((pairs.size, pairs.decidable, pairs.rounds_needed, group.rounds()), (21, 0, 10, 8));
    let ranks: Vec<String> = group.ranking.places.iter().map(|p| format!("{} {p}", p.strategy)).collect();
    assert_eq!(ranks[0], "rebuild 1");
    assert!(ranks[1..].iter().all(|r| r.ends_with(" 2–7")), "{ranks:?}");
    let rebuild = StrategySpec::plain("rebuild");
    let (known, by) = group.known(&rebuild, &StrategySpec::plain("relay"));
    assert_eq!((known, by.map(|f| f.size)), (Known::Ahead, Some(6)), "the pair is decided against the reference");
}

#[test]
fn sizes_whose_verdicts_are_opposite_do_not_pool() {
    let plan = plan("r", "artifact,rebuild", &["1GiB", "2GiB"], 8, false, Conditions::default());
    let analysis = SampleRun::run("r", &plan, |strategy, round, gib| {
        let artifact = if gib < 1.5 { 30.0 } else { 400.0 };
        Some((None, f64::from(round) / 9.0 + if strategy == "artifact" { artifact } else { 40.0 }, 5.0))
    })
    .analyse();
    let at = |i: usize| analysis.groups[i].main_family().unwrap().comparisons[0].verdict.word();
    assert_eq!((at(0), at(1)), ("faster", "slower"));
    let pooled = &analysis.pooled[0].comparisons[0];
    assert_eq!(pooled.verdict.word(), "inconclusive");
}
