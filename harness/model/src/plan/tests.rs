//! Tests of requests and of the order of trials.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn request(strategies: usize, sizes: usize, rounds: u32, seed: u64, control: bool) -> PlanRequest {
    let strategies = (0..strategies).map(|n| StrategySpec::plain(&format!("s{n}"))).collect();
    let sizes = (1..=sizes as u64).map(|n| ByteSize(n << 26)).collect();
    PlanRequest { sizes, rounds, control, seed, run_id: "r".into(), ..PlanRequest::of(strategies) }
}

#[test]
fn seed_changes_the_order_and_run_id_changes_the_nonces() {
    let a = Plan::new(request(6, 1, 3, 1, false)).unwrap();
    let b = Plan::new(request(6, 1, 3, 2, false)).unwrap();
    let order = |p: &Plan| p.trials.iter().map(|t| t.cell.strategy.name.clone()).collect::<Vec<_>>();
    assert_ne!(order(&a), order(&b));
    let c = Plan::new(PlanRequest { run_id: "q".into(), ..request(6, 1, 3, 1, false) }).unwrap();
    assert_eq!(order(&a), order(&c));
    assert_ne!(a.trials[0].nonce, c.trials[0].nonce);
    assert_ne!(a.hash, c.hash);
}

#[test]
fn empty_factor_is_refused_by_name() {
    assert!(Plan::new(request(0, 1, 1, 1, false)).unwrap_err().to_string().contains("strategy"));
    assert!(Plan::new(request(1, 1, 0, 1, false)).unwrap_err().to_string().contains("--rounds"));
}

#[test]
fn blocks_with_different_rounds_run_round_by_round() {
    let mut all = request(3, 1, 4, 1, false);
    let few = PlanRequest { sizes: vec![ByteSize(1 << 30)], rounds: 2, ..request(2, 1, 1, 1, false) };
    all.merge(&few);
    assert_eq!((all.blocks.len(), all.sizes.len(), all.strategies.len(), all.rounds), (2, 2, 3, 4));
    let plan = Plan::new(all.clone()).unwrap();
    let rounds: Vec<u32> = plan.trials.iter().map(|t| t.round).collect();
    assert_eq!(rounds, [vec![1; 5], vec![2; 5], vec![3; 3], vec![4; 3]].concat());
    let stored: PlanRequest = serde_json::from_str(&serde_json::to_string(&all).unwrap()).unwrap();
    assert_eq!(Plan::new(stored).unwrap(), plan);
    all.merge(&few);
    assert!(Plan::new(all).unwrap_err().to_string().contains("is in two blocks"));
}

#[test]
fn rules_exclude_cells_but_not_all() {
    let rule = |name: &str| Exclusion { strategy: vec![StrategySpec::plain(name)], ..Exclusion::default() };
    let asked = PlanRequest { exclude: vec![rule("s1")], ..request(3, 2, 1, 1, true) };
    let plan = Plan::new(asked).unwrap();
    assert_eq!(plan.trials.len(), 6);
    assert!(plan.trials.iter().all(|t| t.cell.strategy.name != "s1"));
    let none = PlanRequest { exclude: vec![rule("s0")], ..request(1, 2, 1, 1, true) };
    assert!(Plan::new(none).unwrap_err().to_string().contains("nothing is left"));
}

#[test]
fn request_without_blocks_keeps_its_json_form() {
    let json = serde_json::to_string(&request(1, 1, 1, 1, false)).unwrap();
    for absent in ["blocks", "exclude", "compare", "purpose"] {
        assert!(!json.contains(absent), "{json}");
    }
    let screening = PlanRequest { purpose: Purpose::Screening, ..request(1, 1, 1, 1, false) };
    let json = serde_json::to_string(&screening).unwrap();
    assert!(json.contains(r#""purpose":"screening""#), "{json}");
    assert_eq!(serde_json::from_str::<PlanRequest>(&json).unwrap(), screening);
}

proptest! {
    #[test]
    fn interrupted_run_has_measured_all_cells_equally(
        parts in prop::collection::vec((1usize..4, 1u32..6), 1..4), seed: u64, left_out in 0usize..4
    ) {
        let part = |at: usize, (strategies, rounds): (usize, u32)| PlanRequest {
            sizes: vec![ByteSize((at as u64 + 1) << 26)],
            ..request(strategies, 1, rounds, seed, false)
        };
        let mut asked = part(0, parts[0]);
        for (at, shape) in parts.iter().enumerate().skip(1) {
            asked.merge(&part(at, *shape));
        }
        asked.exclude = vec![Exclusion { strategy: vec![StrategySpec::plain(&format!("s{left_out}"))], ..Exclusion::default() }];
        let Ok(plan) = Plan::new(asked) else { return Ok(()) };
        // Rounds never go back, and a cell's own rounds are 1, 2, 3 and so on.
        prop_assert!(plan.trials.windows(2).all(|two| two[0].round <= two[1].round));
        let mut seen: std::collections::BTreeMap<Cell, u32> = std::collections::BTreeMap::new();
        for trial in &plan.trials {
            let rounds = seen.entry(trial.cell.clone()).or_default();
            *rounds += 1;
            prop_assert_eq!(trial.round, *rounds);
        }
        for (cell, rounds) in seen {
            let (_, asked) = parts[(cell.size.bytes() >> 26) as usize - 1];
            prop_assert_eq!(rounds, asked);
            prop_assert_ne!(cell.strategy.name, format!("s{left_out}"));
        }
    }

    #[test]
    fn every_round_holds_every_cell_once(s in 1usize..7, z in 1usize..4, rounds in 1u32..5, seed: u64, control: bool) {
        let plan = Plan::new(request(s, z, rounds, seed, control)).unwrap();
        let per_round = (s + usize::from(control)) * z;
        prop_assert_eq!(plan.trials.len(), per_round * rounds as usize);
        for round in 1..=rounds {
            let cells: BTreeSet<_> = plan.trials.iter().filter(|t| t.round == round).map(|t| t.cell.clone()).collect();
            prop_assert_eq!(cells.len(), per_round);
        }
        let ids: BTreeSet<_> = plan.trials.iter().map(|t| &t.id).collect();
        let nonces: BTreeSet<_> = plan.trials.iter().map(|t| &t.nonce).collect();
        prop_assert_eq!(ids.len(), plan.trials.len());
        prop_assert_eq!(nonces.len(), plan.trials.len());
        prop_assert!(plan.is_intact());
        prop_assert_eq!(&plan, &Plan::new(plan.request.clone()).unwrap());
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Plan>(&json).unwrap(), &plan);
    }
}
