//! Summary table of one size.

use handoff_analysis::{CellSummary, Group as Cells, Metric};

use crate::factors;
use crate::format::{self, NONE, plural};
use crate::grid::{Cell, Grid, Tone};
use crate::report::{Group, Line, Report};

/// Table of one size of a group: narrow enough for a phone.
pub(crate) fn summary(report: &Report, group: &Group, i: usize) -> Grid {
    let cells = report.analysed(group, i);
    let reference = cells.and_then(|cells| cells.reference.as_ref());
    let mut grid = Grid::new("Approach | Critical path, s: | Transfer, s: | Image arrived: identical");
    grid.columns.extend(reference.map(|reference| (format!("Against {reference}, s"), true)));
    grid.caption = caption(report, group, i);
    for line in &group.lines {
        let cell = line.cells[i].as_ref();
        let times = [Metric::CriticalPath, Metric::Transfer].map(|metric| time(report, line, cell, metric));
        let identical = cell.map_or(NONE.to_owned(), |c| format::identical(&c.identity, c.n));
        let against = reference.and(cells).map(|cells| against(line, cells));
        grid.push_line(line, times.into_iter().chain([identical.into()]).chain(against));
    }
    grid
}

/// Size, differences from other groups, and the number of trials of a row.
fn caption(report: &Report, group: &Group, i: usize) -> String {
    let counts = || group.lines.iter().filter_map(|line| line.cells[i].as_ref()).map(CellSummary::trials);
    let trials = match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least < most => format!("{least}–{most} trials"),
        (_, most) => plural(most.unwrap_or(0), "trial", "trials"),
    };
    let differences = factors::differences(report, group);
    let separator = if differences.is_empty() { "" } else { ", " };
    format!("{}{separator}{differences}: median [smallest–largest] of {trials}", group.sizes[i])
}

/// Median and range, with the number of completed trials where some failed; or the reason why there is none.
fn time(report: &Report, line: &Line, cell: Option<&CellSummary>, metric: Metric) -> Cell {
    match cell {
        Some(c) if c.n > 0 && c.n < c.trials() && c.spread(metric).is_some() => {
            Cell::toned(format!("{} ({} of {})", format::range(c.spread(metric)), c.n, c.trials()), Tone::Bad)
        }
        Some(c) if c.n > 0 => format::range(c.spread(metric)).into(),
        _ if metric == Metric::CriticalPath => missing(report, line, cell),
        _ => NONE.into(),
    }
}

/// Shift of the critical path against the reference, with the verdict.
fn against(line: &Line, cells: &Cells) -> Cell {
    if cells.reference.as_ref() == Some(&line.spec) && !line.control {
        return Cell::toned("reference", Tone::Open);
    }
    let mut family = cells.main_family().into_iter().flat_map(|f| &f.comparisons);
    let found = family.find(|c| c.strategy == line.spec && !line.control);
    found.map_or(NONE.into(), |comparison| {
        let shift = comparison.shift_s.as_ref().map(|shift| format!("{} ", format::sign(shift.value, 1)));
        let text = format!("{}{}", shift.unwrap_or_default(), comparison.verdict.word());
        Cell::toned(text, Tone::of(&comparison.verdict))
    })
}

/// Reason why a cell has no time.
pub(crate) fn missing(report: &Report, line: &Line, cell: Option<&CellSummary>) -> Cell {
    match cell {
        None if rows_set_aside(report, line) => Cell::toned("rows set aside", Tone::Open),
        None => Cell::toned("not run yet", Tone::Open),
        Some(c) => match c.left_out() {
            Some(reason) => Cell::toned(reason, Tone::Open),
            None => Cell::toned(format!("none of {} completed", c.trials()), Tone::Bad),
        },
    }
}

/// Whether trials of a strategy have rows that cannot be used.
fn rows_set_aside(report: &Report, line: &Line) -> bool {
    let of = |cell: &handoff_model::Cell| cell.strategy == line.spec && cell.control == line.control;
    report.runs.iter().any(|r| r.plan.trials.iter().any(|t| of(&t.cell) && r.set_aside.contains(&t.id)))
}
