//! Whether the rows of one trial agree: its measurement, its consumers and its spans. Every rule follows from how the rows are
//! joined when they are written.

use std::collections::{HashMap, HashSet};

use handoff_model::{Environment, Outcome, Role, SpanKind, worst_level};

use super::table::Rows;
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// A producer that sent less than this may have stored nothing.
const SOME_BYTES: u64 = 1 << 20;

/// The rows of a trial beside its measurement.
#[derive(Debug, Default)]
struct Jobs<'a> {
    consumers: Vec<&'a ConsumerRow>,
    spans: Vec<&'a SpanRow>,
}

/// The measurements that disagree with the rows of their consumers and spans, each with its line and in what.
pub(super) fn disagreements(rows: &Rows, environments: &[Environment]) -> Vec<(u64, String, String)> {
    let mut jobs: HashMap<&str, Jobs<'_>> = HashMap::new();
    for row in &rows.consumers.rows {
        jobs.entry(&row.trial).or_default().consumers.push(row);
    }
    for row in &rows.spans.rows {
        jobs.entry(&row.trial).or_default().spans.push(row);
    }
    let known: HashSet<&str> = environments.iter().map(|e| e.id.as_str()).collect();
    let none = Jobs::default();
    let measured = rows.measurements.rows.iter().zip(&rows.measurements.lines);
    let found = measured.filter_map(|(row, line)| {
        let jobs = jobs.get(row.trial.as_str()).unwrap_or(&none);
        Some((*line, row.trial.clone(), disagreement(row, jobs, &known)?))
    });
    found.collect()
}

fn disagreement(row: &MeasurementRow, jobs: &Jobs<'_>, known: &HashSet<&str>) -> Option<String> {
    if let Some(wants) = row.spans.filter(|wants| *wants != jobs.spans.len() as u64) {
        let has = jobs.spans.len();
        return Some(format!("`spans` is {wants}, but spans.csv has {has} rows of the trial"));
    }
    if let Some(id) =
        jobs.consumers.iter().map(|c| c.environment.as_str()).find(|id| !id.is_empty() && !known.contains(id))
    {
        return Some(format!("environments.json does not describe environment `{id}` of a consumer in consumers.csv"));
    }
    if row.outcome != Outcome::Completed {
        return None;
    }
    times(row, &jobs.consumers)
        .or_else(|| identity(row, &jobs.consumers))
        .or_else(|| traffic(row, &jobs.consumers))
        .or_else(|| producer_spans(row, jobs))
        .or_else(|| consumer_spans(row, jobs))
}

/// A completed trial has a row of every consumer, which agree with its times.
fn times(row: &MeasurementRow, consumers: &[&ConsumerRow]) -> Option<String> {
    let mut numbers: Vec<u32> = consumers.iter().map(|c| c.consumer).collect();
    numbers.sort_unstable();
    // Counted, not listed: a made-up number of consumers may be any.
    if numbers.len() != row.consumers as usize || numbers.iter().zip(1..).any(|(number, n)| *number != n) {
        let (has, wants) = (numbers.len(), row.consumers);
        return Some(format!(
            "`completed` with {wants} consumers, but consumers.csv has other rows of the trial ({has})"
        ));
    }
    let proven = |equal: Option<bool>| equal.unwrap_or_else(|| row.nothing_to_compare_with());
    if !consumers.iter().all(|c| proven(c.content_equal)) {
        return Some("`completed`, but consumers.csv has a consumer of it without `content_equal`".to_owned());
    }
    if consumers.iter().map(|c| c.consume_ns).max() != row.consume_ns {
        return Some("`consume_ns` is not that of the slowest consumer in consumers.csv".to_owned());
    }
    let sum = consumers.iter().map(|c| c.consume_ns).try_fold(row.produce_ns.unwrap_or(0), u64::checked_add);
    (sum != row.runner_ns)
        .then(|| "`runner_ns` is not the sum of the jobs' times, with those in consumers.csv".to_owned())
}

/// A level of a trial is the worst of its consumers. Older rows have the first consumer's.
fn identity(row: &MeasurementRow, consumers: &[&ConsumerRow]) -> Option<String> {
    type Pick = fn(&ConsumerRow) -> Option<bool>;
    let levels: [(&str, Option<bool>, Pick); 4] = [
        ("index_equal", row.index_equal, |c| c.index_equal),
        ("config_equal", row.config_equal, |c| c.config_equal),
        ("layers_equal", row.layers_equal, |c| c.layers_equal),
        ("content_equal", row.content_equal, |c| c.content_equal),
    ];
    let first = consumers.iter().find(|c| c.consumer == 1)?;
    let older = row.spans.is_none();
    let differs = |(_, level, of): &&(&str, Option<bool>, Pick)| {
        let worst = consumers.iter().map(|c| of(c)).reduce(worst_level).flatten();
        *level != worst && !(older && *level == of(first))
    };
    let (name, ..) = levels.iter().find(differs)?;
    Some(format!("`{name}` is not the worst of its consumers in consumers.csv"))
}

/// Traffic is counted for all jobs or for none, and that of the consumers is a part of the trial's.
fn traffic(row: &MeasurementRow, consumers: &[&ConsumerRow]) -> Option<String> {
    type Pick = fn(&ConsumerRow) -> Option<u64>;
    let counters: [(&str, Option<u64>, Pick); 4] = [
        ("bytes_up", row.bytes_up, |c| c.bytes_up),
        ("bytes_down", row.bytes_down, |c| c.bytes_down),
        ("requests", row.requests, |c| c.requests),
        ("retries", row.retries, |c| c.retries),
    ];
    for (name, all, of) in counters {
        let fault = |what: &str| Some(format!("`{name}` {what}"));
        if consumers.iter().any(|c| of(c).is_some() != all.is_some()) {
            return fault("is known for the trial or for its consumers in consumers.csv, not for both");
        }
        let (Some(all), Some(sum)) = (all, consumers.iter().map(|c| of(c)).sum::<Option<u64>>()) else { continue };
        if sum > all {
            return fault("is less than that of its consumers in consumers.csv");
        }
        if row.produce_ns.is_none() && sum != all {
            return fault("is not the sum of its consumers in consumers.csv, and there is no producer");
        }
    }
    let sent = sent_by_producer(row, consumers)?;
    let stored = row.bytes_stored?;
    if stored > sent {
        return Some("`bytes_stored` is more than the producer sent: `bytes_up` less that of consumers.csv".to_owned());
    }
    // Retries and protocols cost bytes, but never a hundred times what arrives.
    (sent > SOME_BYTES && stored.saturating_mul(100) < sent).then(|| {
        format!("`bytes_stored` is {stored}, but the producer sent {sent}: `bytes_up` less that of consumers.csv")
    })
}

fn sent_by_producer(row: &MeasurementRow, consumers: &[&ConsumerRow]) -> Option<u64> {
    let by_consumers = consumers.iter().map(|c| c.bytes_up).sum::<Option<u64>>()?;
    Some(row.bytes_up?.saturating_sub(by_consumers))
}

/// A producer leaves spans, on its clock, and has a span that sends where bytes were sent.
fn producer_spans(row: &MeasurementRow, jobs: &Jobs<'_>) -> Option<String> {
    let spans: Vec<&&SpanRow> = jobs.spans.iter().filter(|s| s.role == Role::Producer).collect();
    let Some(clock) = row.produce_ns else {
        return (!spans.is_empty())
            .then(|| "spans.csv has spans of a producer that the trial does not have".to_owned());
    };
    if spans.is_empty() {
        return Some("`completed` with a producer, but its rows are missing in spans.csv".to_owned());
    }
    if spans.iter().any(|s| s.end_ns > clock) {
        return Some("spans.csv has a span of the producer that ends after `produce_ns`".to_owned());
    }
    let sent = sent_by_producer(row, &jobs.consumers)?;
    let sends = |s: &&&&SpanRow| matches!(s.span, SpanKind::Upload | SpanKind::CacheExport);
    if sent > 0 && spans.iter().find(sends).is_none() {
        return Some("the producer sent bytes, but spans.csv has no span of it that sends".to_owned());
    }
    let uploaded =
        spans.iter().filter(|s| s.span == SpanKind::Upload).filter_map(|s| s.bytes).try_fold(0, u64::checked_add);
    uploaded
        .is_none_or(|bytes| bytes > sent)
        .then(|| "spans.csv has uploads of more bytes than the producer sent (`bytes_up`)".to_owned())
}

/// Every consumer has spans, on its clock, and one that fetches where bytes were fetched.
fn consumer_spans(row: &MeasurementRow, jobs: &Jobs<'_>) -> Option<String> {
    for consumer in &jobs.consumers {
        let number = consumer.consumer;
        let spans = || jobs.spans.iter().filter(move |s| s.consumer == Some(number));
        if spans().next().is_none() {
            return Some("`completed`, but rows of its consumers are missing in spans.csv".to_owned());
        }
        if spans().any(|s| s.end_ns > consumer.consume_ns) {
            return Some(format!("spans.csv has a span of consumer {number} that ends after its `consume_ns`"));
        }
        let has = |kind| spans().any(|s| s.span == kind);
        // Newer rows are counted; in older ones these are what every consumer has left.
        let fetched = consumer.bytes_down.is_some_and(|bytes| bytes > 0) && row.build_ns.is_some();
        if row.spans.is_none() && (!has(SpanKind::Run) || (fetched && !has(SpanKind::Download))) {
            return Some(format!("spans.csv lacks rows of consumer {number}, which ran and fetched all the same"));
        }
    }
    let has = |number| jobs.consumers.iter().any(|c| c.consumer == number);
    let foreign = jobs.spans.iter().filter_map(|s| s.consumer).any(|number| !has(number));
    foreign.then(|| "spans.csv has rows of consumers that the trial does not have".to_owned())
}
