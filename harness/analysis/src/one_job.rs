//! Reference without a hand-over, modelled: build and checks as steps of one job.
//!
//! One job builds, loads the image, and then runs all checks as parallel steps on one runner. Nobody measures it: its parts
//! are those of `rebuild`, whose consumer builds, loads and starts a container on one runner too.

use handoff_model::StrategySpec;
use serde::Serialize;

use crate::candidate::{Candidate, TeamQuestion};
use crate::fan_out::CurveBasis;
use crate::number::number;

/// Name of the reference in answers.
pub const NAME: &str = "one-job";

/// Longest job on GitHub's runners, in seconds.
const LONGEST_S: f64 = 21_600.0;

/// Background steps that the runner runs at once (github.com/actions/runner, pull request 4416).
const AT_ONCE: f64 = 10.0;

/// What the model leaves out: always said beside its numbers.
pub const LEFT_OUT: &str = "the wait for runners of further jobs, which it saves; memory, disk and network that the checks share; a \
                            result and a log for each job; running one job again alone";

/// One job in place of a producer and its consumers. Times with checks are none where nobody said how long the checks take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OneJob {
    /// Name of the reference.
    pub name: &'static str,
    /// Origin of all its times.
    pub basis: CurveBasis,
    /// Time until the first container of the image has answered, in seconds.
    pub ready_s: f64,
    /// Factor by which the checks of all jobs slow each other down on one runner.
    pub slowdown: f64,
    /// Candidate that it is compared with.
    pub compared: StrategySpec,
    /// Time of all jobs that it saves at least, whatever the checks take, in seconds; below 0 it needs more.
    pub saved_runner_s: f64,
    /// Longest duration of one job's checks, in seconds, up to which one job neither waits longer than that candidate nor
    /// takes more time of all jobs; none: it is behind however short the checks are.
    pub ahead_up_to_s: Option<f64>,
    /// Times with checks as long as asked for.
    pub with_checks: Option<WithChecks>,
}

/// Times of one job and of the candidate, in seconds, with the same checks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WithChecks {
    /// Time that a push waits with one job.
    pub wait_s: f64,
    /// Time of that job.
    pub runner_s: f64,
    /// Time that a push waits with the candidate.
    pub compared_wait_s: f64,
    /// Time of all jobs with the candidate.
    pub compared_runner_s: f64,
}

impl OneJob {
    /// Whether it is ahead of the candidate in both times with the checks asked for.
    pub fn wins(&self) -> bool {
        self.with_checks.is_some_and(|t| t.wait_s <= t.compared_wait_s && t.runner_s <= t.compared_runner_s)
    }

    /// Whether it is ahead however long the checks take.
    fn always(&self) -> bool {
        self.ahead_up_to_s.is_some_and(|s| s >= LONGEST_S)
    }

    /// Time of all jobs that it saves, or needs more with the shortest checks.
    fn saved(&self) -> String {
        match self.saved_runner_s {
            s if s >= 0.0 => format!("at least {s:.1} s less"),
            s => format!("up to {:.1} s more", -s),
        }
    }

    /// Comparison in a sentence or two, which say that it is modelled.
    pub fn sentence(&self) -> String {
        let Self { compared, .. } = self;
        let limit = self.ahead_up_to_s.map(|s| number(round(s)));
        if let Some(t) = &self.with_checks {
            let times = format!(
                "a push waits {:.1} s instead of {:.1} s with {compared}, and jobs take {:.1} s instead of {:.1} s, checks included",
                t.wait_s, t.compared_wait_s, t.runner_s, t.compared_runner_s
            );
            let consider = if self.wins() { "Consider " } else { "" };
            let border = limit.filter(|_| !self.wins()).map(|s| format!(" It is ahead with checks of up to {s} s."));
            return format!("{consider}{NAME} (modelled): {times}.{}", border.unwrap_or_default());
        }
        if self.always() {
            return format!("Consider {NAME} (modelled): it is ahead of {compared} however long the checks take.");
        }
        let waits = match limit {
            Some(limit) => format!("waits no longer while the checks of one job take {limit} s or less"),
            None => "waits longer, however short the checks are".to_owned(),
        };
        let saved = self.saved();
        format!("{NAME} (modelled) takes {saved} of all jobs' time than {compared}. A push {waits}.")
    }

    /// Assumptions of the model as notes, without full stops.
    pub fn assumptions(&self, ask: &TeamQuestion) -> [String; 3] {
        [
            format!(
                "{NAME} is modelled: rebuild as measured, then the checks of all {} jobs at once on one runner",
                ask.consumers
            ),
            format!(
                "The checks of one job alone are taken to keep {} % of a runner busy (--check-load), so that all together take {} \
                 times as long",
                number(round(ask.check_load * 100.0)),
                number(round(self.slowdown))
            ),
            format!("Left out of {NAME}: {LEFT_OUT}"),
        ]
    }
}

/// One decimal.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// One job against the chosen candidate; none for a single job, or without a candidate that rebuilds in every job.
pub(crate) fn one_job(candidates: &[Candidate], chosen: Option<&StrategySpec>, ask: &TeamQuestion) -> Option<OneJob> {
    let rebuild = candidates.iter().find(|c| !c.parts.shares)?;
    let chosen = candidates.iter().find(|c| Some(&c.strategy) == chosen)?;
    (ask.consumers > 1)
        .then(|| against(rebuild.parts.consume_s, (&chosen.strategy, chosen.wait_s, chosen.runner_s), ask))
}

/// One job that is ready after `ready_s`, against a candidate with its waiting time and its time of all jobs.
fn against(ready_s: f64, (compared, wait_s, runner_s): (&StrategySpec, f64, f64), ask: &TeamQuestion) -> OneJob {
    let jobs = f64::from(ask.consumers);
    let slowdown = (jobs * ask.check_load).max((jobs / AT_ONCE).ceil());
    // Where it waits no longer it takes less time of all jobs as well: jobs of the candidate take at least what a push waits.
    let ahead_s = wait_s - ready_s;
    let border = if slowdown > 1.0 { ahead_s / (slowdown - 1.0) } else { LONGEST_S };
    OneJob {
        name: NAME,
        basis: CurveBasis::Modelled,
        ready_s,
        slowdown,
        compared: compared.clone(),
        saved_runner_s: runner_s - ready_s,
        ahead_up_to_s: (ahead_s > 0.0).then_some(border.min(LONGEST_S)),
        with_checks: ask.check_s.map(|check_s| WithChecks {
            wait_s: ready_s + slowdown * check_s,
            runner_s: ready_s + slowdown * check_s,
            compared_wait_s: wait_s + check_s,
            compared_runner_s: runner_s + jobs * check_s,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::Goal;

    fn asked(consumers: u32, check_load: f64, check_s: Option<f64>) -> TeamQuestion {
        TeamQuestion {
            consumers,
            pushes_per_day: 1,
            image_size: "1GiB".parse().unwrap(),
            build_s: None,
            goal: Goal::Wait,
            plan: None,
            sharing: false,
            start: handoff_model::trigger::Start::default(),
            check_s,
            check_load,
        }
    }

    /// One job that is ready after `ready_s`, against 60 s and 180 s for four jobs.
    fn four_jobs(ready_s: f64, check_load: f64, check_s: Option<f64>) -> OneJob {
        against(ready_s, (&StrategySpec::plain("artifact"), 60.0, 180.0), &asked(4, check_load, check_s))
    }

    #[test]
    fn checks_that_fill_a_runner_set_the_border() {
        // 40 + 4 c = 60 + c at c = 20 / 3.
        let one = four_jobs(40.0, 1.0, None);
        assert!((one.ahead_up_to_s.unwrap() - 20.0 / 3.0).abs() < 1e-9);
        assert_eq!(
            one.sentence(),
            "one-job (modelled) takes at least 140.0 s less of all jobs' time than artifact. A push waits no longer while the checks \
             of one job take 6.7 s or less."
        );
        let (short, long) = (four_jobs(40.0, 1.0, Some(6.0)), four_jobs(40.0, 1.0, Some(30.0)));
        assert!(short.wins() && short.sentence().starts_with("Consider one-job (modelled)"), "{}", short.sentence());
        assert!(
            !long.wins() && long.sentence().ends_with("It is ahead with checks of up to 6.7 s."),
            "{}",
            long.sentence()
        );
        let times = long.with_checks.unwrap();
        assert_eq!((times.wait_s, times.runner_s), (160.0, 160.0));
        assert_eq!((times.compared_wait_s, times.compared_runner_s), (90.0, 300.0));
    }

    #[test]
    fn light_checks_do_not_slow_each_other_down() {
        let one = four_jobs(40.0, 0.25, Some(600.0));
        assert_eq!((one.slowdown, one.wins()), (1.0, true));
        assert!(four_jobs(40.0, 0.25, None).sentence().contains("however long the checks take"));
        // More than ten background steps wait for each other, however light they are.
        let many = against(40.0, (&StrategySpec::plain("artifact"), 60.0, 900.0), &asked(24, 0.01, None));
        assert!((many.slowdown - 3.0).abs() < 1e-9, "{}", many.slowdown);
    }

    #[test]
    fn slower_start_is_never_ahead() {
        let one = four_jobs(61.0, 0.25, None);
        assert_eq!(one.ahead_up_to_s, None);
        assert!(
            one.sentence().contains("119.0 s less") && one.sentence().contains("waits longer"),
            "{}",
            one.sentence()
        );
        let worse = against(61.0, (&StrategySpec::plain("artifact"), 30.0, 50.0), &asked(2, 1.0, None)).sentence();
        assert!(worse.contains("up to 11.0 s more of all jobs' time"), "{worse}");
        assert!(!four_jobs(61.0, 0.25, Some(1.0)).wins());
    }
}
