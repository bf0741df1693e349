//! Times and rates: the interval of a median against a range.

use handoff_model::conditions::LOOPBACK;
use handoff_model::rows::MeasurementRow;
use handoff_model::{Side, SpanKind};

use super::trials::{Trials, completed};
use crate::claims::{Claim, Direction, Quantity, Rule};
use crate::judgement::{Evidence, FEWEST, Judgement, Measured, Unit};
use crate::spread::Spread;

const MIB: f64 = 1_048_576.0;

/// Profile of rows measured on GitHub's own services.
const GITHUB: &str = "github";

/// Why a median that could lie on either side of a bound judges nothing.
pub(super) const OVER_THE_BORDER: &str = "the interval of the median reaches over a bound of the claim";

pub(super) fn evidence(claim: &Claim, run: &Trials<'_>) -> Vec<Evidence> {
    let (Rule::Time { strategy, client, .. } | Rule::Rate { strategy, client, .. }) = &claim.rule else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (cell, rows) in run.cells(strategy, &claim.conditions) {
        let done: Vec<&MeasurementRow> = completed(rows).collect();
        let mut one = Evidence::of(run.run, cell, done.len());
        one.measured = measured(&claim.rule, run, &done);
        one.note = match (&claim.rule, client) {
            (Rule::Time { quantity: Quantity::Consume, .. }, _) => whole_transfer(&done),
            (_, Some(client)) => other_client(client, &done),
            _ => String::new(),
        };
        let one = match &one.measured {
            None => one.refused("no trial has the quantity"),
            Some(m) if !m.is_sure() => one.refused(too_few(done.len())),
            Some(m) => match (verdict(&claim.rule, m), network(&claim.rule, &cell.conditions.profile)) {
                (Some(Judgement::SlowerThanClaimed), Some((LOOPBACK, _))) => one.judged(Judgement::SlowerThanClaimed),
                (_, Some((_, reason))) => one.refused(reason),
                (Some(judgement), None) => one.judged(judgement),
                (None, None) => one.refused(OVER_THE_BORDER),
            },
        };
        all.push(one.unless_it_departs(claim.conditions.departures(cell)));
    }
    all
}

/// Why so few trials judge no time.
pub(super) fn too_few(n: usize) -> String {
    format!("{n} of the {FEWEST} trials that an interval of {} % needs", crate::judgement::SURE * 100.0)
}

/// The transfer beside a consumer's time: a figure of the consumer alone leaves the producer out.
fn whole_transfer(rows: &[&MeasurementRow]) -> String {
    Spread::of(rows.iter().filter_map(|r| r.transfer_ns)).map_or_else(String::new, |s| {
        format!("the consumer alone; the transfer takes {:.1} s", s.median() as f64 / 1e9)
    })
}

/// The client of the rows, where it is not the one that the spike names.
fn other_client(named: &str, rows: &[&MeasurementRow]) -> String {
    let mut others: Vec<&str> =
        rows.iter().map(|r| r.client.as_str()).filter(|c| !c.is_empty() && !c.contains(named)).collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() {
        return String::new();
    }
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
    let (side, kind, counted) = match direction {
        Direction::Upload => (Side::Producer, SpanKind::Upload, row.bytes_up),
        Direction::Download => (Side::Consumer, SpanKind::Download, row.bytes_down.filter(|_| row.consumers == 1)),
    };
    let (ns, bytes) = run.span(row, side, kind)?;
    let rate = bytes.or(counted).filter(|b| *b > 0)? as f64 / (ns as f64 / 1e9);
    rate.is_finite().then_some(rate.round() as u64)
}

/// The profile of rows that are not of GitHub's network, and why they cannot confirm a rate that needs it.
fn network<'a>(rule: &'a Rule, profile: &'a str) -> Option<(&'a str, &'a str)> {
    match rule {
        Rule::Rate { needs_network: Some(reason), .. } if profile != GITHUB => Some((profile, reason)),
        _ => None,
    }
}

/// None: the interval reaches over a bound and the median lies outside.
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
