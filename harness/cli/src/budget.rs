//! `--budget`: refuses a plan that takes longer than there is time, and says what to cut.

use std::time::Duration;

use handoff_analysis::declared::families;
use handoff_model::Plan;
use handoff_runner::estimate::Estimator;
use handoff_runner::needs;

use crate::exit::bad_input;
use crate::progress::human;

/// Refuses `plan` where its estimate is longer than `budget`.
pub fn check(plan: &Plan, budget: &str) -> anyhow::Result<()> {
    let given = budget.parse::<jiff::SignedDuration>().ok().map(|time| time.as_secs()).filter(|s| *s > 0);
    let Some(allowed) = given else {
        return Err(bad_input(format!("--budget {budget} is no time: write for example 2h, 90m or 1h 30m")));
    };
    let mut estimator = Estimator::default();
    let seconds: Vec<f64> = needs::sized_trials(plan).iter().map(|trial| estimator.seconds(trial)).collect();
    let total: f64 = seconds.iter().sum();
    if total <= allowed as f64 {
        return Ok(());
    }
    let time = |seconds: f64| human(Duration::from_secs_f64(seconds));
    let over = format!("the plan takes about {}, more than --budget {budget}", time(total));
    let mut cuts = Vec::new();
    let below = |round: u32| sum(plan, &seconds, |at| plan.trials[at].round <= round);
    if let Some(rounds) = (1..plan.request.rounds).rev().find(|round| below(*round) <= allowed as f64) {
        let needed = families(&plan.request, &plan.facts).iter().map(|f| f.rounds_needed).max().unwrap_or(0);
        let few = if rounds < needed { ", too few to decide" } else { "" };
        cuts.push(format!("--rounds {rounds} (about {}{few})", time(below(rounds))));
    }
    // What costs most of each factor, where it has more than one level.
    let factors: [(&str, &dyn Fn(usize) -> String); 5] = [
        ("size", &|at| plan.trials[at].cell.size.to_string()),
        ("strategy", &|at| plan.trials[at].cell.strategy.to_string()),
        ("workload", &|at| plan.trials[at].cell.workload.clone()),
        ("profile", &|at| plan.trials[at].cell.conditions.profile.clone()),
        ("consumers", &|at| plan.trials[at].cell.conditions.consumers.to_string()),
    ];
    for (factor, level) in factors {
        let mut levels: Vec<String> = (0..seconds.len()).map(level).collect();
        levels.sort();
        levels.dedup();
        let dearest = levels.iter().map(|of| (sum(plan, &seconds, |at| level(at) == *of), of));
        if let (Some((saved, of)), true) = (dearest.max_by(|a, b| a.0.total_cmp(&b.0)), levels.len() > 1) {
            cuts.push(format!("without {factor} {of} (saves about {})", time(saved)));
        }
    }
    if cuts.is_empty() {
        let own = plan.request.own.is_some();
        cuts.push(if own { "use fewer --consumers" } else { "use a smaller --sizes or fewer --consumers" }.to_owned());
    }
    Err(bad_input(format!("{over}: {}", cuts.join(", or "))))
}

fn sum(plan: &Plan, seconds: &[f64], of: impl Fn(usize) -> bool) -> f64 {
    (0..plan.trials.len()).filter(|at| of(*at)).map(|at| seconds[at]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::PlanArgs;

    fn refused(args: &PlanArgs, budget: &str) -> String {
        let plan = Plan::new(args.request(None).unwrap()).unwrap();
        check(&plan, budget).unwrap_err().to_string()
    }

    #[test]
    fn what_is_too_long_is_told_with_what_to_cut() {
        let args = PlanArgs {
            sizes: Some("1GiB,3GiB".into()),
            strategies: Some("artifact,cache-tar,gha-cache,rebuild".into()),
            rounds: Some(5.into()),
            ..PlanArgs::default()
        };
        let error = refused(&args, "1h");
        assert!(error.contains("--budget 1h") && error.contains("--rounds 4"), "{error}");
        assert!(error.contains("too few to decide"), "{error}");
        assert!(error.contains("without size 3GiB"), "{error}");
        let plan = Plan::new(args.request(None).unwrap()).unwrap();
        check(&plan, "10h").unwrap();
        let one = PlanArgs { strategies: Some("artifact".into()), rounds: Some(1.into()), ..PlanArgs::default() };
        assert!(refused(&one, "10s").contains("--sizes"));
    }

    #[test]
    fn a_budget_is_a_time() {
        for budget in ["2", "soon", "-1h", "0s"] {
            assert!(refused(&PlanArgs::default(), budget).contains("2h, 90m"), "{budget}");
        }
    }
}
