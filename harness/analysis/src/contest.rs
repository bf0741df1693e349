//! Which candidate is the answer: the least of the quantity asked for, unless the trials do not tell it from a simpler one.

use std::collections::BTreeMap;

use handoff_model::StrategySpec;
use serde::Serialize;

use crate::candidate::{Candidate, Goal, TeamQuestion};
use crate::compare::{Series, with_one};
use crate::decisions::Parts;
use crate::fan_out::CurveBasis;
use crate::group::Group;
use crate::metric::Metric;
use crate::noise;
use crate::number::number;
use crate::options::Options;
use crate::summary::CellSummary;
use crate::verdict::{Comparison, Verdict, Why};

/// Candidates that the trials do not tell apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Undecided {
    /// What is so, in one sentence: the first line of the answer.
    pub sentence: String,
    /// The candidate with the least estimate.
    pub least: StrategySpec,
    /// Those that are not told from it, by their estimates.
    pub not_told_apart: Vec<StrategySpec>,
}

/// Who wins, and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision {
    pub(crate) undecided: Option<Undecided>,
    pub(crate) chosen: Option<StrategySpec>,
    pub(crate) runner_up: Option<StrategySpec>,
    pub(crate) reasons: Vec<String>,
    pub(crate) comparisons: Vec<Comparison>,
}

/// How hard a candidate is to adopt: whether it needs another party's action, then its steps.
pub(crate) fn effort(candidate: &Candidate) -> (bool, u32) {
    candidate.workflow.as_ref().map_or((true, u32::MAX), |w| (!w.third_party_actions.is_empty(), w.steps))
}

/// Decides among candidates that are sorted by the quantity asked for, those that are out last.
pub(crate) fn choose(group: &Group, candidates: &[Candidate], ask: &TeamQuestion, options: &Options) -> Decision {
    let in_play: Vec<&Candidate> = candidates.iter().filter(|c| c.excluded.is_none()).collect();
    let Some((least, others)) = in_play.split_first() else { return Decision::default() };
    if others.is_empty() {
        return Decision {
            chosen: Some(least.strategy.clone()),
            reasons: vec!["no other candidate is left to compare it with".to_owned()],
            ..Decision::default()
        };
    }
    let series = |c: &Candidate| series(group.cell(&c.strategy), c, ask);
    let rest: Vec<Series> = others.iter().map(|c| series(c)).collect();
    let comparisons = with_one(&series(least), &rest, floor(group, candidates, ask, options.alpha), options);
    let open: Vec<(&Candidate, &Comparison)> = others
        .iter()
        .zip(&comparisons)
        .filter(|(_, c)| !matches!(c.verdict, Verdict::Slower))
        .map(|(c, comparison)| (*c, comparison))
        .collect();
    let chosen = preferred(least, &open);
    let runner_up = if chosen.strategy == least.strategy { others[0] } else { least };
    Decision {
        undecided: undecided(least, chosen, &open),
        chosen: Some(chosen.strategy.clone()),
        runner_up: Some(runner_up.strategy.clone()),
        reasons: reasons(least, chosen, runner_up, &open, ask.goal),
        comparisons,
    }
}

/// The candidate to prefer among the least and those that are not told from it.
///
/// With too few rounds nothing is told apart, not even what takes ten times as long. Then only two kinds are weighed: those
/// whose estimate is behind by less than what matters; and, where the least needs another party's action, the best that
/// needs none.
fn preferred<'a>(least: &'a Candidate, open: &[(&'a Candidate, &Comparison)]) -> &'a Candidate {
    let few =
        |c: &Comparison| c.verdict.inconclusive().is_some_and(|i| matches!(i.why, Why::TooFewRounds | Why::NoPairs));
    let close = |c: &Comparison| c.shift_s.is_some_and(|s| s.value.abs() < c.smallest_effect_s);
    let without = open.iter().find(|(c, _)| !effort(c).0).filter(|_| effort(least).0);
    let weighed = open.iter().filter(|(_, c)| !few(c) || close(c)).chain(without);
    // Of two alike the first stays: it has the lesser estimate.
    weighed.fold(least, |best, (candidate, _)| if effort(candidate) < effort(best) { candidate } else { best })
}

fn undecided(least: &Candidate, chosen: &Candidate, open: &[(&Candidate, &Comparison)]) -> Option<Undecided> {
    let is_chosen = |(c, _): &&(&Candidate, &Comparison)| c.strategy == chosen.strategy;
    let (rival, comparison) = open.iter().find(is_chosen).or_else(|| open.first())?;
    let (a, b) = (&least.strategy, &rival.strategy);
    let (run, are) = match comparison.pairs {
        1 => ("1 round".to_owned(), "is"),
        n => (format!("{n} rounds"), "are"),
    };
    let mut sentence = match &comparison.verdict {
        Verdict::Equivalent => {
            format!("Not told apart: {a} and {b} differ by less than what matters, after {run}.")
        }
        Verdict::Inconclusive(missing) => match (missing.why, missing.rounds_estimated) {
            (Why::NoPairs, _) => format!("Not told apart: {a} and {b} have no round in common."),
            (Why::TooFewRounds, _) => {
                let needed = missing.rounds_at_least;
                format!("Not told apart: {run} {are} too few to tell {a} from {b}, at least {needed} are needed.")
            }
            (why, Some(estimated)) => {
                format!("Not told apart: {a} and {b} ({}, after {run}; about {estimated} may tell).", why.words())
            }
            (why, None) => format!("Not told apart: {a} and {b} ({}, after {run}).", why.words()),
        },
        // The least of the medians need not be the least within rounds.
        Verdict::Faster | Verdict::Slower => {
            format!("Not told apart: {a} has the lesser median, {b} the lesser time within rounds, after {run}.")
        }
    };
    let more = match open.len() - 1 {
        0 => String::new(),
        1 => " The same holds for 1 other candidate.".to_owned(),
        n => format!(" The same holds for {n} other candidates."),
    };
    sentence.push_str(&more);
    Some(Undecided {
        sentence,
        least: least.strategy.clone(),
        not_told_apart: open.iter().map(|(c, _)| c.strategy.clone()).collect(),
    })
}

fn reasons(
    least: &Candidate,
    chosen: &Candidate,
    runner_up: &Candidate,
    open: &[(&Candidate, &Comparison)],
    goal: Goal,
) -> Vec<String> {
    let value = |c: &Candidate| c.value(goal);
    let mut reasons = Vec::new();
    if chosen.strategy == least.strategy {
        let next = match seconds(value(runner_up) - value(least)) {
            Some(more) => format!("{} takes {more} more", runner_up.strategy),
            None => format!("{} takes as long", runner_up.strategy),
        };
        let sure = open.iter().all(|(c, _)| c.strategy != runner_up.strategy);
        reasons.push(format!("the least {}; {next}{}", goal.words(), if sure { "" } else { ", as far as is known" }));
        // A simpler one that was not preferred was not weighed: too few rounds, and its estimate is behind by too much.
        match open.iter().find(|(c, _)| effort(c) < effort(least)) {
            Some((_, comparison)) => reasons.push(format!(
                "none that is simpler to set up is close enough after so few rounds (within {} s)",
                number((comparison.smallest_effect_s * 10.0).round() / 10.0)
            )),
            None if open.is_empty() => {}
            None => reasons.push("no candidate that is not told from it is simpler to set up".to_owned()),
        }
    } else {
        let (less, more) = (effort(chosen), effort(least));
        let foreign = |c: &Candidate| c.workflow.as_ref().map(|w| w.third_party_actions.join(", ")).unwrap_or_default();
        reasons.push(if less.0 == more.0 {
            format!("it has fewer steps than {}: {}, not {}", least.strategy, less.1, more.1)
        } else {
            format!("it needs no third-party action; {} needs {}", least.strategy, foreign(least))
        });
        reasons.push(match seconds(value(chosen) - value(least)) {
            Some(ahead) => format!("{} has the least {}, by {ahead}", least.strategy, goal.words()),
            None => format!("{} has the same {}", least.strategy, goal.words()),
        });
    }
    reasons
}

/// A difference in words; none where there is none.
fn seconds(difference: f64) -> Option<String> {
    match difference {
        d if d <= 0.0 => None,
        d if d < 0.05 => Some("less than 0.1 s".to_owned()),
        d => Some(format!("{d:.1} s")),
    }
}

/// The quantity asked for, of each trial of a cell.
fn series(cell: Option<&CellSummary>, candidate: &Candidate, ask: &TeamQuestion) -> Series {
    let values = cell.into_iter().flat_map(|c| &c.samples).filter_map(|s| {
        let ns = match (candidate.basis == CurveBasis::Measured, ask.goal) {
            (true, Goal::Wait) => s.get(Metric::CriticalPath)?,
            (true, Goal::Runner) => s.get(Metric::Runner)?,
            (false, goal) => {
                let second = |ns: u64| ns as f64 / 1e9;
                let one = Parts {
                    produce_s: second(s.produce_ns.unwrap_or(0)) * candidate.scale,
                    consume_s: second(s.consume_ns?) * candidate.scale,
                    ..candidate.scaled_parts
                };
                let parts = ask.build_s.map_or(one, |b| one.with_build(b));
                let value = if goal == Goal::Wait { parts.wait_s() } else { parts.runner_s(ask.consumers) };
                (value.max(0.0) * 1e9).round() as u64
            }
        };
        Some(((s.run.clone(), s.round), ns))
    });
    Series { strategy: candidate.strategy.clone(), values: values.collect() }
}

/// How far two runs of one strategy lie apart in the quantity asked for, in seconds; none without control rows.
fn floor(group: &Group, candidates: &[Candidate], ask: &TeamQuestion, alpha: f64) -> Option<f64> {
    let control = group.cells.iter().find(|c| c.cell.control)?;
    let strategy = &control.cell.strategy;
    let candidate = candidates.iter().find(|c| c.strategy == *strategy)?;
    let of = |cell| -> BTreeMap<(String, u32), u64> { series(cell, candidate, ask).values };
    let (first, second) = (of(group.cell(strategy)), of(Some(control)));
    let differences: Vec<i64> = second.iter().filter_map(|(k, v)| Some(*v as i64 - *first.get(k)? as i64)).collect();
    noise::of_differences(strategy, &differences, alpha).map(|n| n.floor_s)
}
