//! `--budget`: refuses a plan that takes longer than there is time, and says what to cut.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use handoff_analysis::declared::families;
use handoff_model::Plan;
use handoff_model::duration::human;

use crate::error::{ExperimentError, Result};

/// Time that a plan may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// As it is typed.
    text: String,
    seconds: i64,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse::<jiff::SignedDuration>().ok().map(|time| time.as_secs()).filter(|s| *s > 0);
        let budget = seconds.map(|seconds| Self { text: text.to_owned(), seconds });
        budget.ok_or_else(|| "write a time, for example 2h, 90m or 1h 30m".to_owned())
    }
}

impl Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Budget {
    /// Refuses `plan` where its estimate is longer; `seconds` estimates each trial, in the plan's order.
    ///
    /// # Errors
    /// The estimate, and what to cut.
    pub fn check(&self, plan: &Plan, seconds: &[f64]) -> Result<()> {
        let allowed = self.seconds as f64;
        let total: f64 = seconds.iter().sum();
        if total <= allowed {
            return Ok(());
        }
        let mut cuts = Vec::from_iter(fewer_rounds(plan, seconds, allowed));
        cuts.extend(dearest_levels(plan, seconds));
        if cuts.is_empty() {
            let user_image = plan.request.user_image.is_some();
            let cut = if user_image { "fewer --consumers" } else { "a smaller --sizes or fewer --consumers" };
            cuts.push(cut.to_owned());
        }
        let excess = format!("the plan takes about {}, more than --budget {self}", time(total));
        Err(ExperimentError(format!("{excess}: use {}", cuts.join(", or "))))
    }
}

fn time(seconds: f64) -> String {
    human(Duration::from_secs_f64(seconds))
}

/// The most rounds that fit.
fn fewer_rounds(plan: &Plan, seconds: &[f64], allowed: f64) -> Option<String> {
    let below = |round: u32| sum(seconds, |at| plan.trials[at].round <= round);
    let rounds = (1..plan.request.rounds).rev().find(|round| below(*round) <= allowed)?;
    let needed = families(&plan.request, &plan.facts).iter().map(|f| f.rounds_needed).max().unwrap_or(0);
    let few = if rounds < needed { ", too few to decide" } else { "" };
    Some(format!("--rounds {rounds} (about {}{few})", time(below(rounds))))
}

/// The level of each factor that costs most, where it has more than one.
fn dearest_levels(plan: &Plan, seconds: &[f64]) -> Vec<String> {
    let mut cuts = Vec::new();
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
        let dearest = levels.iter().map(|of| (sum(seconds, |at| level(at) == *of), of));
        if let (Some((saved, of)), true) = (dearest.max_by(|a, b| a.0.total_cmp(&b.0)), levels.len() > 1) {
            cuts.push(format!("no {factor} {of} (saves about {})", time(saved)));
        }
    }
    cuts
}

fn sum(seconds: &[f64], of: impl Fn(usize) -> bool) -> f64 {
    seconds.iter().enumerate().filter(|(at, _)| of(*at)).map(|(_, seconds)| seconds).sum()
}

#[cfg(test)]
mod tests {
    use handoff_model::{PlanRequest, StrategySpec};

    use super::*;

    fn plan(strategies: &str, sizes: &str, rounds: u32) -> Plan {
        let sizes = sizes.split(',').map(|size| size.parse().unwrap()).collect();
        let strategies = StrategySpec::parse_list(strategies).unwrap();
        Plan::new(PlanRequest { sizes, rounds, ..PlanRequest::of(strategies) }).unwrap()
    }

    /// A trial takes a minute for each GiB.
    fn check(plan: &Plan, budget: &str) -> Result<(), String> {
        let seconds: Vec<f64> = plan.trials.iter().map(|t| (t.cell.size.bytes() >> 30) as f64 * 60.0).collect();
        budget.parse::<Budget>()?.check(plan, &seconds).map_err(|error| error.to_string())
    }

    #[test]
    fn plan_over_budget_is_refused_with_what_to_cut() {
        // 16 minutes a round.
        let four = plan("artifact,cache-tar,gha-cache,rebuild", "1GiB,3GiB", 5);
        let error = check(&four, "70m").unwrap_err();
        assert!(
            error.starts_with("the plan takes about 1 h 20 min, more than --budget 70m: use --rounds 4"),
            "{error}"
        );
        assert!(error.contains("too few to decide") && error.contains("no size 3GiB"), "{error}");
        check(&four, "10h").unwrap();
        assert!(check(&plan("artifact", "1GiB", 1), "10s").unwrap_err().contains("--sizes"));
    }

    #[test]
    fn budget_without_a_time_unit_is_refused() {
        for budget in ["2", "soon", "-1h", "0s"] {
            assert!(budget.parse::<Budget>().unwrap_err().contains("2h, 90m"), "{budget}");
        }
    }
}
