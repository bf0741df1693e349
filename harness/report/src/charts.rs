//! Choice of the data of each chart.

use handoff_model::Role;
use handoff_records::{MeasurementRow, SpanRow};

use crate::plot::{self, Drawn, Metric, Names, TypicalTrial};
use crate::report::{Line, Report};

/// Names of a group's charts.
fn names(report: &Report, i: usize) -> Names {
    let prefix = if report.groups.len() > 1 { format!("{:02}-", i + 1) } else { String::new() };
    let differences = crate::factors::differences(report, &report.groups[i]);
    (prefix, if differences.is_empty() { String::new() } else { format!(" ({differences})") })
}

/// Quantity of every trial of a group; a report begins with the critical path.
pub(crate) fn samples(report: &Report, i: usize, metric: Metric) -> Drawn {
    plot::samples(&report.groups[i], metric, |_, _| true, &names(report, i))
}

/// Time against size.
pub(crate) fn sizes(report: &Report, i: usize) -> Drawn {
    let group = &report.groups[i];
    plot::sizes(group, report.links.get(&group.conditions.profile), &names(report, i))
}

/// Time against bytes stored.
pub(crate) fn pareto(report: &Report, i: usize) -> Drawn {
    plot::pareto(&report.groups[i], &names(report, i))
}

/// Timeline at the largest size that has trials with spans.
pub(crate) fn timeline(report: &Report, i: usize) -> Drawn {
    let group = &report.groups[i];
    for (at, size) in group.sizes.iter().enumerate().rev() {
        let trials: Vec<TypicalTrial> = group.lines.iter().filter_map(|line| typical(report, line, at)).collect();
        if !trials.is_empty() {
            return Ok(plot::timeline(&trials, &size.to_string(), &names(report, i)));
        }
    }
    Err("No timeline: no completed trial has spans.".to_owned())
}

/// Trial with the median critical path, with its spans.
fn typical<'a>(report: &'a Report, line: &'a Line, i: usize) -> Option<TypicalTrial<'a>> {
    let cell = line.cells[i].as_ref()?;
    let of_cell = |row: &&MeasurementRow| row.cell().is_ok_and(|c| c == cell.cell);
    let rows = report.runs.iter().flat_map(|run| run.measurements.iter().filter(of_cell).map(move |row| (run, row)));
    let mut trials: Vec<_> = rows.filter_map(|(run, row)| Some((row.critical_path_ns?, run, row))).collect();
    trials.sort_by_key(|(path, run, row)| (*path, &run.name, row.position));
    let (_, run, row) = *trials.get(trials.len().checked_sub(1)? / 2)?;
    let slowest = run.consumers.iter().filter(|c| c.trial == row.trial).max_by_key(|c| c.consume_ns)?.consumer;
    let wanted = |s: &&SpanRow| s.trial == row.trial && (s.role == Role::Producer || s.consumer == Some(slowest));
    let spans: Vec<&SpanRow> = run.spans.iter().filter(wanted).collect();
    (!spans.is_empty()).then(|| TypicalTrial {
        line,
        trial: &row.trial,
        n: trials.len(),
        produce_ns: row.produce_ns.unwrap_or(0),
        consume_ns: row.consume_ns.unwrap_or(0),
        spans,
    })
}
