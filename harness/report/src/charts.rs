//! The charts of a report: what goes into each.

use handoff_model::Role;
use handoff_records::{MeasurementRow, SpanRow};

use crate::plot::{self, Drawn, Metric, Typical};
use crate::report::{Line, Report};

/// What the names of a group's charts begin with, and what their titles end with.
fn named(report: &Report, i: usize) -> (String, String) {
    let place = if report.groups.len() > 1 { format!("{:02}-", i + 1) } else { String::new() };
    let apart = crate::table::apart(report, &report.groups[i]);
    let of = if apart.is_empty() { String::new() } else { format!(" ({apart})") };
    (place, of)
}

/// Every sample: critical path and transfer.
pub(crate) fn samples(report: &Report, i: usize) -> [Drawn; 2] {
    let (place, of) = named(report, i);
    [Metric::CriticalPath, Metric::Transfer].map(|metric| plot::samples(&report.groups[i], metric, &place, &of))
}

/// Time against size.
pub(crate) fn sizes(report: &Report, i: usize) -> Drawn {
    let (place, of) = named(report, i);
    let group = &report.groups[i];
    plot::sizes(group, report.links.get(&group.conditions.profile), &place, &of)
}

/// Time against bytes stored.
pub(crate) fn pareto(report: &Report, i: usize) -> Drawn {
    let (place, of) = named(report, i);
    plot::pareto(&report.groups[i], &place, &of)
}

/// The timeline at the largest size that has trials with spans.
pub(crate) fn timeline(report: &Report, i: usize) -> Drawn {
    let (place, of) = named(report, i);
    let group = &report.groups[i];
    for (i, size) in group.sizes.iter().enumerate().rev() {
        let trials: Vec<Typical> = group.lines.iter().filter_map(|line| typical(report, line, i)).collect();
        if !trials.is_empty() {
            return plot::timeline(&trials, &size.to_string(), &place, &of);
        }
    }
    plot::timeline(&[], "", &place, &of)
}

/// The trial with the median critical path, with its spans.
fn typical<'a>(report: &'a Report, line: &'a Line, i: usize) -> Option<Typical<'a>> {
    let cell = line.cells[i].as_ref()?;
    let own = |row: &&MeasurementRow| row.cell().is_ok_and(|c| c == cell.cell);
    let rows = report.runs.iter().flat_map(|run| run.measurements.iter().filter(own).map(move |row| (run, row)));
    let mut trials: Vec<_> = rows.filter_map(|(run, row)| Some((row.critical_path_ns?, run, row))).collect();
    trials.sort_by_key(|(path, run, row)| (*path, &run.name, row.position));
    let (_, run, row) = *trials.get(trials.len().checked_sub(1)? / 2)?;
    let slowest = run.consumers.iter().filter(|c| c.trial == row.trial).max_by_key(|c| c.consume_ns)?.consumer;
    let wanted = |s: &&SpanRow| s.trial == row.trial && (s.role == Role::Producer || s.consumer == Some(slowest));
    let spans: Vec<&SpanRow> = run.spans.iter().filter(wanted).collect();
    (!spans.is_empty()).then(|| Typical {
        line,
        trial: &row.trial,
        n: trials.len(),
        produce_ns: row.produce_ns.unwrap_or(0),
        consume_ns: row.consume_ns.unwrap_or(0),
        spans,
    })
}
