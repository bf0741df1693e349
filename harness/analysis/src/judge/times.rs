//! Times and rates: the interval of a median against a range.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use handoff_model::conditions::LOOPBACK;
use handoff_model::{Cell, Role, SpanKind};
use handoff_records::MeasurementRow;

use super::pairs;
use super::reasons::{INTERVAL_CROSSES_BOUND, all_lie, too_few};
use super::trials::{Trials, completed};
use crate::claims::{Claim, Direction, Quantity, Rule};
use crate::judgement::{Evidence, Judgement, Measured, Unit};
use crate::spread::Spread;

const MIB: f64 = 1_048_576.0;

pub(super) fn evidence(claim: &Claim, run: &Trials<'_>) -> Vec<Evidence> {
    let (Rule::Time { strategy, client, .. } | Rule::Rate { strategy, client, .. }) = &claim.rule else {
        return Vec::new();
    };
    run.judge_cells(claim, strategy, |cell, rows| {
        let done: Vec<&MeasurementRow> = completed(rows).collect();
        let mut one = Evidence::of(run.run, cell, done.len());
        one.measured = measured(&claim.rule, run, &done);
        one.note = match (&claim.rule, client) {
            (Rule::Time { quantity: Quantity::Consume, .. }, _) => whole_transfer(&done),
            (_, Some(client)) => other_client(client, &done),
            _ => String::new(),
        };
        let profile = cell.conditions.profile.as_str();
        Some(match (one.measured, claim.rule.needs_network(profile)) {
            (None, _) => one.refused("no trial has the quantity"),
            // More trials do not help where the link decides. Slow without any link is slow with one.
            (Some(m), Some(reason)) => match verdict(&claim.rule, &m) {
                Some(Judgement::SlowerThanClaimed) if profile == LOOPBACK && m.is_sure() => {
                    one.judged(Judgement::SlowerThanClaimed)
                }
                _ => one.refused(reason),
            },
            (Some(m), None) if !m.is_sure() => {
                let lie = all_trials_lie(&claim.rule, run, cell, &done);
                one.refused(format!("{}{lie}", too_few(done.len())))
            }
            (Some(m), None) => match verdict(&claim.rule, &m) {
                None => one.refused(INTERVAL_CROSSES_BOUND),
                Some(judgement) => against(one, claim, run, cell, rows, judgement),
            },
        })
    })
}

/// The transfer beside a consumer's time: a figure of the consumer alone leaves the producer out.
fn whole_transfer(rows: &[&MeasurementRow]) -> String {
    let transfer = Spread::of(rows.iter().filter_map(|r| r.transfer_ns));
    transfer.map(|s| format!("the consumer alone; the transfer takes {:.1} s", s.median_s())).unwrap_or_default()
}

/// The client of the rows, where it is not the one that the spike names.
fn other_client(named: &str, rows: &[&MeasurementRow]) -> String {
    let clients = rows.iter().map(|r| r.client.as_str());
    let others: BTreeSet<&str> = clients.filter(|c| !c.is_empty() && !c.contains(named)).collect();
    if others.is_empty() {
        return String::new();
    }
    let others: Vec<&str> = others.into_iter().collect();
    format!("by the client `{}`, not by {named}'s, which the spike names", others.join("`, `"))
}

fn measured(rule: &Rule, run: &Trials<'_>, rows: &[&MeasurementRow]) -> Option<Measured> {
    match rule {
        Rule::Time { quantity, .. } => {
            let spread = Spread::of(rows.iter().filter_map(|r| run.value(r, *quantity)))?;
            Some(Measured::of(&spread, Unit::Seconds, 1e9))
        }
        // As whole bytes a second, so that the one interval of medians serves here too.
        Rule::Rate { direction, .. } => {
            let spread = Spread::of(rows.iter().filter_map(|r| bytes_a_second(run, r, *direction)))?;
            Some(Measured::of(&spread, Unit::MibPerSecond, MIB))
        }
        _ => None,
    }
}

/// Bytes over the time in which they were under way. Spans of some clients do not say how many: then the service does.
fn bytes_a_second(run: &Trials<'_>, row: &MeasurementRow, direction: Direction) -> Option<u64> {
    let (role, kind, counted) = match direction {
        Direction::Upload => (Role::Producer, SpanKind::Upload, row.bytes_up),
        Direction::Download => (Role::Consumer, SpanKind::Download, row.bytes_down.filter(|_| row.consumers == 1)),
    };
    let (ns, bytes) = run.span(row, role, kind)?;
    let rate = bytes.or(counted).filter(|b| *b > 0)? as f64 / (ns as f64 / 1e9);
    rate.is_finite().then_some(rate.round() as u64)
}

/// Position of all trials where they are too few to judge, which a reader must still know.
fn all_trials_lie(rule: &Rule, run: &Trials<'_>, cell: &Cell, rows: &[&MeasurementRow]) -> &'static str {
    let Rule::Time { quantity, low_s, high_s, against, .. } = rule else { return "" };
    let Some(spread) = Spread::of(rows.iter().filter_map(|r| run.value(r, *quantity))) else { return "" };
    let lies = pairs::between(spread.min() as f64 / 1e9, spread.max() as f64 / 1e9, (*low_s, *high_s));
    let Some(against) = against else { return all_lie(lies) };
    let ratios = run.beside(cell, &against.strategy).and_then(|other| pairs::ratios(run, rows, other, *quantity));
    let ratio = ratios.and_then(|s| {
        pairs::between(s.min() as f64 / pairs::PART, s.max() as f64 / pairs::PART, (0.0, against.at_most))
    });
    match (lies, ratio) {
        (Some(Ordering::Greater), _) | (_, Some(Ordering::Greater)) => all_lie(Some(Ordering::Greater)),
        (lies, Some(_)) => all_lie(lies),
        (_, None) => "",
    }
}

/// The verdict on a time that must also be clearly less than another strategy's, within rounds.
fn against(
    one: Evidence,
    claim: &Claim,
    run: &Trials<'_>,
    cell: &Cell,
    rows: &[&MeasurementRow],
    judgement: Judgement,
) -> Evidence {
    let Rule::Time { against: Some(against), quantity, .. } = &claim.rule else { return one.judged(judgement) };
    let Some(spread) = run.beside(cell, &against.strategy).and_then(|other| pairs::ratios(run, rows, other, *quantity))
    else {
        return one.refused(format!("no round in which both it and `{}` completed", against.strategy));
    };
    let m = Measured::of(&spread, Unit::Ratio, pairs::PART);
    let ratio = format!("{} of the time of `{}`", m.ratio_text(), against.strategy);
    let note = if one.note.is_empty() { ratio } else { format!("{ratio}; {}", one.note) };
    let one = Evidence { note, ..one };
    match () {
        () if judgement == Judgement::SlowerThanClaimed => one.judged(judgement),
        () if !m.is_sure() => one.refused(too_few(spread.n())),
        () if m.low > against.at_most => one.judged(Judgement::SlowerThanClaimed),
        () if m.high <= against.at_most => one.judged(judgement),
        () => one.refused(INTERVAL_CROSSES_BOUND),
    }
}

/// Verdict of a median; none where the interval crosses a bound and the median lies outside.
fn verdict(rule: &Rule, m: &Measured) -> Option<Judgement> {
    match rule {
        Rule::Time { high_s, .. } if m.low > *high_s => Some(Judgement::SlowerThanClaimed),
        Rule::Time { low_s, .. } if m.high < *low_s => Some(Judgement::FasterThanClaimed),
        Rule::Time { low_s, high_s, .. } => (*low_s..=*high_s).contains(&m.median).then_some(Judgement::AsClaimed),
        // "180+" is a lower bound: more is as claimed.
        Rule::Rate { at_least_mib_s, .. } if m.high < *at_least_mib_s => Some(Judgement::SlowerThanClaimed),
        Rule::Rate { at_least_mib_s, .. } => (m.median >= *at_least_mib_s).then_some(Judgement::AsClaimed),
        _ => None,
    }
}
