//! Every preset under the strategies and workloads that there are.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    plan: PlanArgs,
}

fn plan(words: &str) -> anyhow::Result<Plan> {
    let words = std::iter::once("plan").chain(words.split_whitespace());
    Typed::try_parse_from(words)?.plan.plan(None)
}

#[test]
fn no_strategy_refuses_a_trial_of_a_preset() {
    for matrix in handoff_experiment::presets().unwrap() {
        let plan = plan(&matrix.name).unwrap_or_else(|error| panic!("{}: {error}", matrix.name));
        assert!(!plan.trials.is_empty());
    }
}

#[test]
fn claims_can_be_run_at_a_small_size_as_a_proof() {
    let (whole, small) = (plan("claims").unwrap(), plan("claims --sizes 64MiB").unwrap());
    assert_eq!(small.trials.len(), whole.trials.len());
    assert!(small.trials.iter().all(|t| t.cell.size.bytes() == 64 << 20));
}

#[test]
fn budget_refuses_by_the_estimate_of_each_trial() {
    let asked = "--sizes 1GiB,3GiB --strategies artifact,cache-tar,gha-cache,rebuild --rounds 5 --budget";
    let error = plan(&format!("{asked} 1h")).unwrap_err().to_string();
    assert!(error.contains("--budget 1h: use --rounds 4") && error.contains("no size 3GiB"), "{error}");
    plan(&format!("{asked} 10h")).unwrap();
}
