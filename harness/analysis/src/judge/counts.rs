//! Statements that are no time: failures, counts, throttling, identity, steps.

use handoff_model::{Cell, Outcome, Role, SpanKind, StrategySpec};
use handoff_records::MeasurementRow;

use super::only_one;
use super::trials::{Trials, completed, failed};
use crate::claims::{Claim, IdentityLevel, Quantity, Rule};
use crate::identity::{Finding, Identity};
use crate::judgement::{Evidence, Judgement, Measured, Unit};
use crate::spread::Spread;

pub(super) fn evidence(claim: &Claim, run: &Trials<'_>) -> Vec<Evidence> {
    match &claim.rule {
        Rule::OnlyOne { succeeds, fails, .. } => {
            pairs(claim, run, succeeds, fails, &|one, cell, a, b| only_one::judge(one, &claim.rule, run, cell, a, b))
        }
        Rule::Throttling { spared, throttled } => {
            pairs(claim, run, spared, throttled, &|one, _, a, b| throttling(one, a, b))
        }
        Rule::Completes { strategy, error } => each(claim, run, strategy, &|one, _, rows| completes(one, rows, error)),
        Rule::Count { strategy, quantity, at_least, at_most } => {
            let range = *at_least..=at_most.unwrap_or(u64::MAX);
            each(claim, run, strategy, &|one, _, rows| count(one, run, rows, *quantity, &range))
        }
        Rule::Identity { strategy, level, equal } => {
            each(claim, run, strategy, &|one, _, rows| identity(one, rows, *level, *equal))
        }
        Rule::Step { strategy, role, span } => {
            each(claim, run, strategy, &|one, _, rows| step(one, run, rows, *role, *span))
        }
        _ => Vec::new(),
    }
}

/// Every cell of a strategy, unless it departs from the recipe.
fn each(
    claim: &Claim,
    run: &Trials<'_>,
    strategy: &StrategySpec,
    judge: &dyn Fn(Evidence, &Cell, &[&MeasurementRow]) -> Evidence,
) -> Vec<Evidence> {
    run.judge_cells(claim, strategy, |cell, rows| {
        Some(judge(Evidence::of(run.run, cell, completed(rows).count()), cell, rows))
    })
}

/// Judges the rows of two strategies in one group.
type JudgePair<'f> = dyn Fn(Evidence, &Cell, &[&MeasurementRow], &[&MeasurementRow]) -> Evidence + 'f;

/// Every cell of a strategy that has another one beside it.
fn pairs(
    claim: &Claim,
    run: &Trials<'_>,
    first: &StrategySpec,
    second: &StrategySpec,
    judge: &JudgePair<'_>,
) -> Vec<Evidence> {
    each(claim, run, first, &|one, cell, rows| match run.beside(cell, second) {
        Some(others) => judge(one, cell, rows, others),
        None => one.refused(String::new()),
    })
    .into_iter()
    // Without the other strategy there is no experiment.
    .filter(|e| e.decides() || !e.why.is_empty() || !e.departures.is_empty())
    .collect()
}

fn completes(one: Evidence, rows: &[&MeasurementRow], error: &str) -> Evidence {
    let (broke, ran) = failed(rows, error);
    let n = one.n;
    let one = Evidence { note: format!("{n} of {ran} trials completed"), ..one };
    match (broke, n) {
        (1.., _) => one.judged(Judgement::NotAsClaimed),
        (0, 0) => one.refused("no trial completed"),
        (0, _) => one.judged(Judgement::AsClaimed),
    }
}

fn count(
    one: Evidence,
    run: &Trials<'_>,
    rows: &[&MeasurementRow],
    quantity: Quantity,
    range: &std::ops::RangeInclusive<u64>,
) -> Evidence {
    let Some(spread) = Spread::of(rows.iter().filter_map(|r| run.value(r, quantity))) else {
        return one.refused(format!("no trial has {}", quantity.words()));
    };
    let one = Evidence { measured: Some(Measured::of(&spread, Unit::Count, 1.0)), ..one };
    let all = range.contains(&spread.min()) && range.contains(&spread.max());
    one.judged(if all { Judgement::AsClaimed } else { Judgement::NotAsClaimed })
}

/// Number of 429 responses of a trial; at least one where the trial failed by one.
fn responses_429(row: &MeasurementRow) -> Option<u64> {
    match row.outcome {
        Outcome::Completed => row.throttled,
        Outcome::Failed if row.error.contains("429") || row.error.contains("Too Many Requests") => {
            Some(row.throttled.unwrap_or(1).max(1))
        }
        _ => None,
    }
}

fn throttling(one: Evidence, spared: &[&MeasurementRow], throttled: &[&MeasurementRow]) -> Evidence {
    let of = |rows: &[&MeasurementRow]| Spread::of(rows.iter().filter_map(|r| responses_429(r)));
    let (Some(spared), Some(throttled)) = (of(spared), of(throttled)) else {
        return one.refused("the rows do not count 429 responses");
    };
    let note = format!("{} responses with status 429, the other {}", spared.median(), throttled.median());
    let one = Evidence { note, ..one };
    match (spared.max(), throttled.min()) {
        (1.., _) => one.judged(Judgement::NotAsClaimed),
        (0, 0) => one.refused("option 3 met no throttling either"),
        (0, _) => one.judged(Judgement::AsClaimed),
    }
}

fn identity(one: Evidence, rows: &[&MeasurementRow], level: IdentityLevel, equal: bool) -> Evidence {
    if one.n == 0 {
        return one.refused("no trial completed");
    }
    let identity = Identity::of(completed(rows));
    let levels = match level {
        IdentityLevel::Image => vec![identity.content, identity.layers, identity.config],
        IdentityLevel::Content => vec![identity.content],
    };
    let is = |finding| levels.iter().any(|l| l.finding() == finding);
    // Only a statement about the image itself names its index beside its levels.
    let index = Some(identity.index.finding()).filter(|f| level == IdentityLevel::Image && *f != Finding::Absent);
    let one = Evidence { note: identity.words(), index, ..one };
    let differs = is(Finding::Different) || is(Finding::Mixed);
    if differs || !is(Finding::Absent) {
        one.judged(if differs == equal { Judgement::NotAsClaimed } else { Judgement::AsClaimed })
    } else {
        one.refused("a level of identity is not known")
    }
}

fn step(one: Evidence, run: &Trials<'_>, rows: &[&MeasurementRow], role: Role, span: SpanKind) -> Evidence {
    let has = |row: &MeasurementRow| run.span(row, role, span).is_some_and(|(ns, _)| ns > 0);
    let with = completed(rows).filter(|r| has(r)).count();
    let n = one.n;
    let one = Evidence { note: format!("{with} of {n} trials have the span"), ..one };
    match (with, n) {
        (_, 0) => one.refused("no trial completed"),
        (with, n) if with == n => one.judged(Judgement::AsClaimed),
        (0, _) if completed(rows).all(|r| !run.has_spans(r)) => one.refused("the trials have no spans"),
        _ => one.judged(Judgement::NotAsClaimed),
    }
}
