use handoff_model::{Block, ByteSize, Exclusion};
use proptest::prelude::*;

use super::*;
use crate::exact::holm;
use crate::exact::signed_rank::SignedRank;

fn request(strategies: &str, rounds: u32) -> PlanRequest {
    PlanRequest { rounds, ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap()) }
}

const SEVEN: &str = "artifact,cache-tar,gha-cache,local-cache,relay,zstd-stream,rebuild";

/// The families of a request whose plan says that `rebuild` has no producer.
fn families(request: &PlanRequest) -> Vec<DeclaredFamily> {
    let facts = |strategy: &StrategySpec| VariantFacts {
        has_producer: strategy.name != "rebuild",
        ..VariantFacts::unknown(strategy.clone())
    };
    super::families(request, &request.strategies.iter().map(facts).collect::<Vec<_>>())
}

/// Whether `rounds` rounds can decide each of `family` comparisons: all of them point one way, or one does and the others
/// cancel. Tries every pattern of signs of that one.
fn decides(family: usize, rounds: usize) -> bool {
    let cancels: Vec<i64> = (0..rounds as i64).map(|n| if n % 2 == 0 { n + 1 } else { -n }).collect();
    let p = |differences: Vec<i64>| SignedRank::new(differences).unwrap().p();
    let others = vec![p(cancels); family - 1];
    let patterns = (0..1_u32 << rounds).map(|signs| {
        (0..rounds as i64).map(|n| if signs >> n & 1 == 1 { n + 1 } else { -n - 1 }).collect::<Vec<i64>>()
    });
    let best = patterns.map(p).min_by(f64::total_cmp).unwrap();
    let alone: Vec<f64> = std::iter::once(best).chain(others).collect();
    let rejected = |ps: &[f64]| holm(ps, ALPHA).iter().filter(|c| c.p <= ALPHA + 1e-12).count();
    rejected(&alone) == 1 && rejected(&vec![best; family]) == family
}

#[test]
fn auto_rounds_are_the_fewest_that_can_decide() {
    for strategies in 2..=7 {
        for compare in [Compare::Reference, Compare::Pairs] {
            let family = family_size(compare, strategies);
            let fewest = (1..=12).find(|rounds| decides(family, *rounds)).unwrap();
            assert_eq!(rounds_for(compare, strategies) as usize, fewest, "{compare} of {strategies} strategies");
        }
    }
    assert_eq!((rounds_for(Compare::Reference, 7), rounds_for(Compare::Pairs, 7)), (8, 10));
}

#[test]
fn single_strategy_declares_no_family() {
    assert!(families(&request("artifact", 1)).is_empty());
    assert_eq!(rounds_of_parts(&request("artifact", 1)), [FEWEST_ROUNDS]);
}

#[test]
fn control_is_not_counted_as_a_comparison() {
    let with = PlanRequest { control: true, ..request(SEVEN, 8) };
    assert_eq!(rounds_of_parts(&with), rounds_of_parts(&request(SEVEN, 8)));
    let family = &families(&with)[0];
    assert_eq!((family.comparisons, family.decidable, family.rounds_needed), (6, 6, 8));
    assert_eq!(family.reference.as_ref().unwrap().name, "rebuild");
}

#[test]
fn screening_declares_no_comparisons() {
    for purpose in [Purpose::Screening, Purpose::Trend] {
        assert!(families(&PlanRequest { purpose, ..request(SEVEN, 1) }).is_empty());
    }
}

#[test]
fn all_pairs_need_more_rounds_than_the_reference_family() {
    let pairs = PlanRequest { compare: Compare::Pairs, ..request(SEVEN, 8) };
    let family = &families(&pairs)[0];
    assert_eq!((family.comparisons, family.decidable, family.rounds, family.rounds_needed), (21, 0, 8, 10));
    assert!(family.reference.is_none());
}

#[test]
fn blocks_of_one_group_are_counted_together() {
    let mut both = request("rebuild,artifact,cache-tar", 8);
    both.merge(&request("gha-cache,local-cache,relay,zstd-stream", 3));
    assert_eq!(rounds_of_parts(&both), [8, 8]);
    let family = &families(&both)[0];
    assert_eq!((family.comparisons, family.decidable, family.rounds), (6, 2, 3));

    let mut apart = request("rebuild,artifact", 8);
    apart.merge(&PlanRequest { sizes: vec![ByteSize(2 << 30)], ..request(SEVEN, 8) });
    assert_eq!(rounds_of_parts(&apart), [6, 8], "two sizes are two groups");
}

#[test]
fn excluded_cells_are_not_counted() {
    let rule = Exclusion { strategy: vec![StrategySpec::plain("relay")], ..Exclusion::default() };
    let fewer = PlanRequest { exclude: vec![rule.clone()], ..request("relay,artifact,rebuild", 6) };
    assert_eq!((rounds_of_parts(&fewer), families(&fewer)[0].comparisons), (vec![6], 1));
    let nothing = Block { strategies: vec![StrategySpec::plain("relay")], ..fewer.parts().remove(0) };
    let empty = PlanRequest { blocks: vec![nothing], exclude: vec![rule], ..request("relay", 6) };
    assert_eq!(rounds_of_parts(&empty), [FEWEST_ROUNDS]);
}

proptest! {
    #[test]
    fn auto_rounds_can_decide_every_comparison(
        shapes in prop::collection::vec((1usize..6, 1u64..3), 1..4), pairs: bool, control: bool
    ) {
        let part = |at: usize, (strategies, size): (usize, u64)| PlanRequest {
            sizes: vec![ByteSize(size << 30)],
            strategies: (0..strategies).map(|n| StrategySpec::plain(&format!("s{at}{n}"))).collect(),
            compare: if pairs { Compare::Pairs } else { Compare::Reference },
            control,
            ..request("artifact", 1)
        };
        let mut asked = part(0, shapes[0]);
        for (at, shape) in shapes.iter().enumerate().skip(1) {
            asked.merge(&part(at, *shape));
        }
        let rounds = rounds_of_parts(&asked);
        asked.rounds = rounds[0];
        for (block, rounds) in asked.blocks.iter_mut().zip(rounds) {
            block.rounds = rounds;
        }
        for family in families(&asked) {
            prop_assert_eq!(family.decidable, family.comparisons);
            prop_assert!(family.rounds >= FEWEST_ROUNDS);
        }
    }
}
