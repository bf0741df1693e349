//! Changed questions with another answer: the number of jobs, the build time, the goal.

use handoff_model::StrategySpec;

use crate::candidate::{Candidate, Goal, TeamQuestion};
use crate::contest::effort;

/// Largest number of jobs that is tried: more than the matrix of a workflow may have.
const MOST_CONSUMERS: u32 = 256;
/// Longest build that is tried.
const LONGEST_BUILD_S: u32 = 3_600;

/// Answer to a question: all candidates, and the chosen one.
pub(crate) struct Answer {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) chosen: Option<StrategySpec>,
    /// The smallest difference that matters between candidates, in seconds.
    pub(crate) smallest_effect_s: f64,
}

/// Answer that differs from that of the original question.
struct Other {
    chosen: StrategySpec,
    /// Whether it is ahead of the original answer by an effect that matters, or has a simpler workflow.
    matters: bool,
}

/// Changed values of one factor, all below or all above the asked one, the nearest first.
struct Alternatives {
    tried: Vec<u32>,
    /// Text for a value from which on all values have the answer, and for a value that alone has it.
    onwards: fn(u32) -> String,
    alone: fn(u32) -> String,
}

/// A line for each changed question with another answer. `answer` decides as the answer itself was decided. A range is
/// claimed only where every value tried in it, up to its bound, has the answer.
pub(crate) fn changes(now: &Answer, ask: &TeamQuestion, answer: impl Fn(&TeamQuestion) -> Answer) -> Vec<String> {
    let (Some(chosen), Some(first)) = (&now.chosen, now.candidates.first()) else {
        return vec!["every strategy is excluded: raise the limits, or push less often".to_owned()];
    };
    let mut immaterial = false;
    let mut other = |ask: &TeamQuestion| {
        let other = other(chosen, &answer(ask), ask.goal);
        immaterial |= other.as_ref().is_some_and(|o| !o.matters);
        other
    };
    let mut changes = Vec::new();
    let (below, above) = steps(ask.consumers, 1, MOST_CONSUMERS);
    let fewer = Alternatives {
        tried: below,
        onwards: |n| if n == 1 { "with a single job".to_owned() } else { format!("with {n} jobs or fewer") },
        alone: |n| format!("at {n} jobs"),
    };
    let more = Alternatives {
        tried: above,
        onwards: |n| if n == MOST_CONSUMERS { format!("at {n} jobs") } else { format!("with {n} jobs or more") },
        alone: |n| format!("at {n} jobs"),
    };
    for alternatives in [fewer, more] {
        changes.extend(lines(&alternatives, ask.consumers, |n| other(&TeamQuestion { consumers: n, ..ask.clone() })));
    }
    let build = first.parts.build_s.max(0.0);
    let shorter = Alternatives {
        tried: steps(build.ceil() as u32, 0, LONGEST_BUILD_S).0,
        onwards: |s| format!("with a build of {s} s or less"),
        alone: |s| format!("at a build of {s} s"),
    };
    let longer = Alternatives {
        tried: steps(build.floor() as u32, 0, LONGEST_BUILD_S).1,
        onwards: |s| format!("with a build of {s} s{}", if s == LONGEST_BUILD_S { "" } else { " or more" }),
        alone: |s| format!("at a build of {s} s"),
    };
    for (alternatives, from) in [(shorter, build.ceil()), (longer, build.floor())] {
        let at = |s: u32| TeamQuestion { build_s: Some(f64::from(s)), ..ask.clone() };
        changes.extend(lines(&alternatives, from as u32, |s| other(&at(s))));
    }
    for goal in [Goal::Runner, Goal::Wait].into_iter().filter(|g| *g != ask.goal) {
        let found = other(&TeamQuestion { goal, ..ask.clone() }).filter(|o| o.matters);
        changes.extend(found.map(|o| format!("for the smallest {}: {}", goal.words(), o.chosen)));
    }
    if changes.is_empty() {
        let material = if immaterial { " by an effect that matters" } else { "" };
        changes.push(format!(
            "no number of jobs up to {MOST_CONSUMERS} and no build of a second to an hour changes the answer{material}"
        ));
    }
    changes
}

fn other(chosen: &StrategySpec, answer: &Answer, goal: Goal) -> Option<Other> {
    let of = |spec: &StrategySpec| answer.candidates.iter().find(|c| c.strategy == *spec);
    let (new, old) = (of(answer.chosen.as_ref()?)?, of(chosen)?);
    let ahead = old.value(goal) - new.value(goal);
    let matters = ahead >= answer.smallest_effect_s || effort(new) < effort(old);
    (new.strategy != old.strategy).then(|| Other { chosen: new.strategy.clone(), matters })
}

/// The values tried below and above `from`, the nearest first: all that are near, then ever fewer, and the bounds.
fn steps(from: u32, low: u32, high: u32) -> (Vec<u32>, Vec<u32>) {
    let next = |away: u32| away + (away / 8).max(1);
    let distances = || std::iter::successors(Some(1), |away| Some(next(*away)));
    let mut below: Vec<u32> = distances().map_while(|away| from.checked_sub(away).filter(|v| *v >= low)).collect();
    let mut above: Vec<u32> = distances().map(|away| from + away).take_while(|v| *v <= high).collect();
    if from > low && below.last() != Some(&low) {
        below.push(low);
    }
    if from < high && above.last() != Some(&high) {
        above.push(high);
    }
    (below, above)
}

/// The nearest value with another answer that matters, as a range if every further one has the same; else the furthest range
/// of one other answer beside it.
fn lines(alternatives: &Alternatives, from: u32, mut other: impl FnMut(u32) -> Option<Other>) -> Vec<String> {
    let tried: Vec<(u32, Option<Other>)> = alternatives.tried.iter().map(|v| (*v, other(*v))).collect();
    // A build of no time is none: what is so only there is not worth a line.
    let mut matter = tried
        .iter()
        .enumerate()
        .filter_map(|(at, (v, o))| Some((at, *v, o.as_ref().filter(|o| *v > 0 && o.matters)?.chosen.clone())));
    let Some((hit, at, found)) = matter.next() else { return Vec::new() };
    let before = |at: usize| if at == 0 { from } else { tried[at - 1].0 };
    let (value, chosen) = nearest(before(hit), (at, found), |v| other(v).filter(|o| o.matters));
    let is = |o: &Option<Other>, spec: &StrategySpec| o.as_ref().is_some_and(|o| o.chosen == *spec);
    if tried[hit..].iter().all(|(_, o)| is(o, &chosen)) {
        return vec![format!("{}: {chosen}", (alternatives.onwards)(value))];
    }
    let mut lines = vec![format!("{}: {chosen}", (alternatives.alone)(value))];
    if let Some(last) = tried.last().and_then(|(_, o)| o.as_ref()) {
        let same = tried.iter().rev().take_while(|(_, o)| is(o, &last.chosen)).count();
        let first = tried.len() - same;
        if first > hit && tried[first].0 > 0 {
            let (value, chosen) = nearest(before(first), (tried[first].0, last.chosen.clone()), |v| {
                other(v).filter(|o| o.chosen == last.chosen)
            });
            lines.push(format!("{}: {chosen}", (alternatives.onwards)(value)));
        }
    }
    lines
}

/// The value next to `without` that still has an answer, between it and one that has.
fn nearest(
    mut without: u32,
    (mut value, mut chosen): (u32, StrategySpec),
    mut other: impl FnMut(u32) -> Option<Other>,
) -> (u32, StrategySpec) {
    while value.abs_diff(without) > 1 {
        let middle = value.min(without) + value.abs_diff(without) / 2;
        match other(middle) {
            Some(found) => (value, chosen) = (middle, found.chosen),
            None => without = middle,
        }
    }
    (value, chosen)
}
