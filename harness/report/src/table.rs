//! The spike's comparison table, with what was measured beside what is claimed.

use std::fmt::Write as _;

use handoff_analysis::{CellSummary, Judgement, Metric, TableCell};

use crate::format::{self, NONE};
use crate::grid::{Cell, Grid, Tone};
use crate::provenance::{Images, images};
use crate::report::{Group, Line, Report};
use crate::sections::claims;

/// What the table shows, in one line; the conditions only where they tell tables apart.
pub(crate) fn title(report: &Report, group: &Group) -> String {
    let sizes: Vec<String> = group.sizes.iter().map(ToString::to_string).collect();
    let mut title = format!("Workload {}, {}", group.workload, sizes.join(", "));
    let apart = apart(report, group);
    if !apart.is_empty() {
        let _ = write!(title, ", {apart}");
    }
    title
}

/// What tells a group from the others of the report: the factors that differ, and no others. Empty for the only group.
pub(crate) fn apart(report: &Report, group: &Group) -> String {
    let words: [fn(&Group) -> String; 7] = [
        |g| format!("workload {}", g.workload),
        |g| format!("profile {}", g.conditions.profile),
        |g| format!("{} store", g.conditions.image_store),
        |g| format!("{} builder", g.conditions.builder),
        |g| format!("{} engine", g.conditions.engine),
        |g| format!("{} caches", g.conditions.cache_state),
        |g| crate::provenance::consumers(&g.conditions),
    ];
    let differ = |word: &&fn(&Group) -> String| report.groups.iter().any(|g| word(g) != word(group));
    words.iter().filter(differ).map(|word| word(group)).collect::<Vec<_>>().join(", ")
}

/// The table: one row a strategy, one group of columns a size. What the spike claims is left out where only images of the
/// user's own were measured: it claims nothing of them.
pub(crate) fn comparison(report: &Report, group: &Group) -> Grid {
    let claims = images(report) != Images::User;
    let at_sizes =
        |name: &str| group.sizes.iter().map(|size| format!(" | {name} at {size}, s:")).collect::<Vec<_>>().concat();
    let (transfer, critical_path) = (at_sizes("Transfer"), at_sizes("Critical path"));
    let mut grid = Grid::new(&if claims {
        format!(
            "Approach{transfer} | Claimed for 1–3 GB:{critical_path} | Complexity (claimed) | Cache limit (claimed) | \
             Byte-identical (measured) | Byte-identical (claimed)"
        )
    } else {
        format!("Approach{transfer}{critical_path} | Byte-identical (measured)")
    });
    for line in &group.lines {
        grid.push_line(line, row(report, line, claims));
    }
    grid
}

fn row(report: &Report, line: &Line, claims: bool) -> Vec<Cell> {
    let missing = if rows_set_aside(report, line) { "rows set aside" } else { "not run yet" };

    let claimed = |cell| claims.then(|| claimed(report, line, cell));
    let times = |metric| line.cells.iter().map(move |c| spread(c.as_ref(), missing, metric));
    let mut cells: Vec<Cell> = times(Metric::Transfer).collect();
    cells.extend(claimed(TableCell::Transfer));
    cells.extend(times(Metric::CriticalPath));
    cells.extend(claimed(TableCell::Complexity));
    cells.extend(claimed(TableCell::CacheLimit));
    cells.push(identity(line).into());
    cells.extend(claimed(TableCell::ByteIdentical));
    cells
}

/// Whether trials of a strategy have rows that cannot be used.
fn rows_set_aside(report: &Report, line: &Line) -> bool {
    let of = |cell: &handoff_model::Cell| cell.strategy == line.spec && cell.control == line.control;
    report.runs.iter().any(|r| r.plan.trials.iter().any(|t| of(&t.cell) && r.set_aside.contains(&t.id)))
}

/// A cell of the spike's table, with its verdict where the rows of the plain strategy judge it.
fn claimed(report: &Report, line: &Line, cell: TableCell) -> Cell {
    let Some(claim) = report.claims.cell(&line.spec.name, cell) else { return NONE.into() };
    let measured = matches!(cell, TableCell::Transfer | TableCell::ByteIdentical);
    match claims::on(report, &line.spec.name, cell) {
        Some(c) if line.plain && measured && c.judgement != Judgement::NotJudged => {
            Cell::toned(format!("{}: {}", claim.claimed, c.short_verdict()), claims::tone(c.judgement))
        }
        _ => claim.claimed.clone().into(),
    }
}

/// A cell's text; where nothing completed, why there is none.
fn spread(cell: Option<&CellSummary>, missing: &str, metric: Metric) -> Cell {
    match cell {
        None => Cell::toned(missing, Tone::Open),
        Some(c) if c.left_out().is_some() => Cell::toned(c.left_out().unwrap_or_default(), Tone::Open),
        Some(c) if c.n == 0 => Cell::toned(format!("none of {} completed", c.trials()), Tone::Bad),
        Some(c) => format::time_spread(c.spread(metric)).into(),
    }
}

/// The identity over the sizes: said once where all sizes agree.
fn identity(line: &Line) -> String {
    let mut texts: Vec<(String, String)> = Vec::new();
    for cell in line.cells.iter().flatten().filter(|c| c.n > 0) {
        texts.push((cell.cell.size.to_string(), format::identity(&cell.identity, cell.n)));
    }
    match texts.first() {
        None => NONE.to_owned(),
        Some((_, first)) if texts.iter().all(|(_, t)| t == first) => first.clone(),
        Some(_) => texts.iter().map(|(size, t)| format!("{size}: {t}")).collect::<Vec<_>>().join("; "),
    }
}
