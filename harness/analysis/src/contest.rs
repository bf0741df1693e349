//! Choice of the recommended candidate: the smallest of the quantity asked for, unless a simpler candidate is not worse by a verdict.

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
use crate::number::{number, plural};
use crate::options::Options;
use crate::summary::CellSummary;
use crate::verdict::{Comparison, Verdict, Why};

/// Candidates between which the trials do not decide.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Undecided {
    /// First line of the answer: the candidates, and why the trials do not decide.
    pub sentence: String,
    /// The candidate with the least estimate.
    pub least: StrategySpec,
    /// Candidates that may be as good, by their estimates.
    #[serde(rename = "not_told_apart")]
    pub indistinguishable: Vec<StrategySpec>,
}

/// Chosen candidate with its reasons.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision {
    pub(crate) undecided: Option<Undecided>,
    pub(crate) chosen: Option<StrategySpec>,
    pub(crate) runner_up: Option<StrategySpec>,
    pub(crate) reasons: Vec<String>,
    pub(crate) comparisons: Vec<Comparison>,
}

/// Effort to adopt a candidate: whether it needs a third-party action, then its number of steps.
pub(crate) fn effort(candidate: &Candidate) -> (bool, u32) {
    candidate.workflow.as_ref().map_or((true, u32::MAX), |w| (!w.third_party_actions.is_empty(), w.steps))
}

/// Chooses among candidates that are sorted by the quantity asked for, excluded ones last.
pub(crate) fn choose(group: &Group, candidates: &[Candidate], ask: &TeamQuestion, options: &Options) -> Decision {
    let in_play: Vec<&Candidate> = candidates.iter().filter(|c| c.excluded.is_none()).collect();
    let Some((least, others)) = in_play.split_first() else { return Decision::default() };
    if others.is_empty() {
        return Decision {
            chosen: Some(least.strategy.clone()),
            reasons: vec!["all other candidates are excluded".to_owned()],
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

/// Preferred candidate among the smallest one and those that no verdict separates from it.
///
/// With too few rounds there is no verdict at all, not even on a candidate that takes ten times as long. Then only two kinds of
/// candidates compete: those within the smallest effect that matters, and, where the smallest needs a third-party action, the
/// best one that needs none.
fn preferred<'a>(least: &'a Candidate, open: &[(&'a Candidate, &Comparison)]) -> &'a Candidate {
    let few =
        |c: &Comparison| c.verdict.inconclusive().is_some_and(|i| matches!(i.why, Why::TooFewRounds | Why::NoPairs));
    let close = |c: &Comparison| c.shift_s.is_some_and(|s| s.value.abs() < c.smallest_effect_s);
    let without = open.iter().find(|(c, _)| !effort(c).0).filter(|_| effort(least).0);
    let weighed = open.iter().filter(|(_, c)| !few(c) || close(c)).chain(without);
    // Of two with the same effort the first one stays: its estimate is smaller.
    weighed.fold(least, |best, (candidate, _)| if effort(candidate) < effort(best) { candidate } else { best })
}

fn undecided(least: &Candidate, chosen: &Candidate, open: &[(&Candidate, &Comparison)]) -> Option<Undecided> {
    let is_chosen = |(c, _): &&(&Candidate, &Comparison)| c.strategy == chosen.strategy;
    let (rival, comparison) = open.iter().find(is_chosen).or_else(|| open.first())?;
    let (a, b) = (&least.strategy, &rival.strategy);
    let run = plural(comparison.pairs, "round", "rounds");
    let are = if comparison.pairs == 1 { "is" } else { "are" };
    let mut sentence = match &comparison.verdict {
        Verdict::Equivalent => {
            format!("Undecided: {a} and {b} differ by less than the smallest effect that matters, after {run}.")
        }
        Verdict::Inconclusive(missing) => match (missing.why, missing.rounds_estimated) {
            (Why::NoPairs, _) => format!("Undecided: {a} and {b} completed in no common round."),
            (Why::TooFewRounds, _) => {
                let needed = missing.rounds_at_least;
                format!("Undecided: {run} {are} too few to compare {a} with {b}. At least {needed} are needed.")
            }
            (why, Some(estimated)) => {
                format!("Undecided: {a} and {b} ({}, after {run}). About {estimated} rounds may decide.", why.words())
            }
            (why, None) => format!("Undecided: {a} and {b} ({}, after {run}).", why.words()),
        },
        // The smallest median need not be the smallest time within rounds.
        Verdict::Faster | Verdict::Slower => {
            format!("Undecided: {a} has the smaller median, {b} the smaller time within rounds, after {run}.")
        }
    };
    let more = match open.len() - 1 {
        0 => String::new(),
        n => format!(" The same holds for {}.", plural(n, "other candidate", "other candidates")),
    };
    sentence.push_str(&more);
    Some(Undecided {
        sentence,
        least: least.strategy.clone(),
        indistinguishable: open.iter().map(|(c, _)| c.strategy.clone()).collect(),
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
        let decided = open.iter().all(|(c, _)| c.strategy != runner_up.strategy);
        let doubt = if decided { "" } else { ", but no verdict confirms it" };
        reasons.push(format!("the smallest {}; {next}{doubt}", goal.words()));
        // A simpler candidate that is not chosen did not compete: too few rounds, and its estimate is too far behind.
        match open.iter().find(|(c, _)| effort(c) < effort(least)) {
            Some((_, comparison)) => reasons.push(format!(
                "candidates with a simpler workflow are more than {} s behind, too far for so few rounds",
                number((comparison.smallest_effect_s * 10.0).round() / 10.0)
            )),
            None if open.is_empty() => {}
            None => reasons.push("no undecided candidate has a simpler workflow".to_owned()),
        }
    } else {
        let (less, more) = (effort(chosen), effort(least));
        let foreign = |c: &Candidate| c.workflow.as_ref().map(|w| w.third_party_actions.join(", ")).unwrap_or_default();
        reasons.push(if less.0 == more.0 {
            format!("its workflow has fewer steps than that of {}: {} instead of {}", least.strategy, less.1, more.1)
        } else {
            format!("it needs no third-party action; {} needs {}", least.strategy, foreign(least))
        });
        reasons.push(match seconds(value(chosen) - value(least)) {
            Some(ahead) => format!("{} has the smallest {}, by {ahead}", least.strategy, goal.words()),
            None => format!("{} has the same {}", least.strategy, goal.words()),
        });
    }
    reasons
}

/// A difference in seconds as text; none for 0.
fn seconds(difference: f64) -> Option<String> {
    match difference {
        d if d <= 0.0 => None,
        d if d < 0.05 => Some("less than 0.1 s".to_owned()),
        d => Some(format!("{d:.1} s")),
    }
}

/// Quantity asked for, by trial of a cell.
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

/// Noise floor in the quantity asked for, in seconds; none without control rows.
fn floor(group: &Group, candidates: &[Candidate], ask: &TeamQuestion, alpha: f64) -> Option<f64> {
    let control = group.cells.iter().find(|c| c.cell.control)?;
    let strategy = &control.cell.strategy;
    let candidate = candidates.iter().find(|c| c.strategy == *strategy)?;
    let of = |cell| -> BTreeMap<(String, u32), u64> { series(cell, candidate, ask).values };
    let (first, second) = (of(group.cell(strategy)), of(Some(control)));
    let differences: Vec<i64> = second.iter().filter_map(|(k, v)| Some(*v as i64 - *first.get(k)? as i64)).collect();
    noise::of_differences(strategy, &differences, alpha).map(|n| n.floor_s)
}
