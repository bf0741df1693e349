//! One trial in the trace format of Chrome, for `chrome://tracing` or Perfetto.

use std::collections::BTreeMap;

use handoff_model::Role;
use handoff_model::nearest::hint;
use handoff_records::SpanRow;
use serde_json::{Value, json};

use crate::report::{Report, ReportError};

/// Trace of a trial as JSON.
///
/// Each job is a process of the trace. A consumer begins at the end of the producer's clock, because clocks of jobs can be
/// added, but not compared. Spans that overlap are in separate threads, so that none hides another.
///
/// # Errors
/// No trial of that name, or one without spans.
pub fn chrome_trace(report: &Report, trial: &str) -> Result<String, ReportError> {
    let mut names = report.runs.iter().flat_map(|r| &r.plan.trials).map(|t| t.id.as_str());
    if !names.clone().any(|name| name == trial) {
        let known: Vec<&str> = names.by_ref().collect();
        return Err(ReportError::NoTrial { given: trial.to_owned(), hint: hint(trial, &known) });
    }
    let mut events = Vec::new();
    for run in &report.runs {
        let spans: Vec<&SpanRow> = run.spans.iter().filter(|s| s.trial == trial).collect();
        let row = run.measurements.iter().find(|r| r.trial == trial);
        let offset = row.and_then(|r| r.produce_ns).unwrap_or(0);
        let mut jobs: BTreeMap<(Role, u32), Vec<&SpanRow>> = BTreeMap::new();
        for span in spans {
            jobs.entry((span.role, span.consumer.unwrap_or(0))).or_default().push(span);
        }
        for ((role, consumer), spans) in jobs {
            job(&mut events, role, consumer, if role == Role::Consumer { offset } else { 0 }, spans);
        }
    }
    if events.is_empty() {
        return Err(ReportError::NoSpans(trial.to_owned()));
    }
    let trace = json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "trial": trial,
            "clocks": "each job has a clock; consumers begin at the end of the producer's clock",
        },
        "traceEvents": events,
    });
    Ok(format!("{trace:#}\n"))
}

fn job(events: &mut Vec<Value>, role: Role, consumer: u32, offset: u64, mut spans: Vec<&SpanRow>) {
    let process = if role == Role::Producer { 1 } else { consumer + 1 };
    let name = if role == Role::Producer { "producer".to_owned() } else { format!("consumer {consumer}") };
    events.push(json!({ "ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": { "name": name } }));
    // Of spans that start together, the longest comes first, so that inner spans follow outer ones.
    spans.sort_by_key(|s| (s.start_ns, u64::MAX - s.end_ns, s.span, &s.detail));
    // End of the last span of each thread.
    let mut threads: Vec<u64> = Vec::new();
    for span in spans {
        let free = threads.iter().position(|end| *end <= span.start_ns);
        let thread = free.unwrap_or_else(|| {
            threads.push(0);
            threads.len() - 1
        });
        threads[thread] = span.end_ns.max(span.start_ns + 1);
        let micros = |ns: u64| ns as f64 / 1e3;
        events.push(json!({
            "ph": "X",
            "name": span.span.as_str(),
            "cat": role.as_str(),
            "pid": process,
            "tid": thread + 1,
            "ts": micros(offset + span.start_ns),
            "dur": micros(span.end_ns.saturating_sub(span.start_ns)),
            "args": { "detail": span.detail, "bytes": span.bytes },
        }));
    }
}
