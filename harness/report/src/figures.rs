//! Which charts a report has, and where they stand.

use std::collections::BTreeMap;

use handoff_model::Side;
use handoff_model::rows::{MeasurementRow, SpanRow};

use crate::plot::{self, Drawn, Metric, Typical};
use crate::report::{Group, Line, Report, Run};

/// The charts of one group.
pub(crate) struct GroupFigures {
    pub samples: Vec<Drawn>,
    pub timeline: Drawn,
    pub sizes: Drawn,
    pub pareto: Drawn,
}

/// Draws the charts of the group at that place of the report.
pub(crate) fn of_group(report: &Report, i: usize) -> GroupFigures {
    let group = &report.groups[i];
    let place = if report.groups.len() > 1 { format!("{:02}-", i + 1) } else { String::new() };
    let apart = crate::table::apart(report, group);
    let of = if apart.is_empty() { String::new() } else { format!(" ({apart})") };
    GroupFigures {
        samples: vec![
            plot::samples(group, Metric::CriticalPath, &place, &of),
            plot::samples(group, Metric::Transfer, &place, &of),
        ],
        timeline: timeline(report, group, &place, &of),
        sizes: plot::sizes(group, report.links.get(&group.conditions.profile), &place, &of),
        pareto: plot::pareto(group, &place, &of),
    }
}

/// The timeline at the largest size that has trials with spans.
fn timeline(report: &Report, group: &Group, place: &str, of: &str) -> Drawn {
    for (i, size) in group.sizes.iter().enumerate().rev() {
        let trials: Vec<Typical> = group.lines.iter().filter_map(|line| typical(report, line, i)).collect();
        if !trials.is_empty() {
            return plot::timeline(&trials, &size.to_string(), place, of);
        }
    }
    plot::timeline(&[], "", place, of)
}

/// The trial with the median critical path, with its spans.
fn typical<'a>(report: &'a Report, line: &'a Line, i: usize) -> Option<Typical<'a>> {
    let cell = line.cells[i].as_ref()?;
    let mut trials: Vec<(u64, &Run, &MeasurementRow)> = Vec::new();
    for run in &report.runs {
        for row in &run.measurements {
            if let Some(path) = row.critical_path_ns.filter(|_| row.cell().is_ok_and(|c| c == cell.cell)) {
                trials.push((path, run, row));
            }
        }
    }
    trials.sort_by_key(|(path, run, row)| (*path, &run.name, row.position));
    let (_, run, row) = *trials.get(trials.len().checked_sub(1)? / 2)?;
    let slowest = run.consumers.iter().filter(|c| c.trial == row.trial).max_by_key(|c| c.consume_ns)?.consumer;
    let wanted = |s: &&SpanRow| s.trial == row.trial && (s.side == Side::Producer || s.consumer == Some(slowest));
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

/// Sentences for charts that are not there, each once.
pub(crate) fn left_out<'a>(drawn: impl IntoIterator<Item = &'a Drawn>) -> Vec<String> {
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    let mut out = Vec::new();
    for sentence in drawn.into_iter().filter_map(|d| d.as_ref().err()) {
        if seen.insert(sentence, ()).is_none() {
            out.push(sentence.clone());
        }
    }
    out
}
