//! The spike's comparison table, with what was measured beside what is claimed.

use std::fmt::Write as _;

use handoff_analysis::{CellSummary, Claim};

use crate::document::Grid;
use crate::format::{self, NONE};
use crate::report::{Group, Line, Report};

/// Stands where a claim exists that we do not have the text of.
pub(crate) const UNKNOWN: &str = "?";

/// What the table shows, in one line; the conditions only where they tell tables apart.
pub(crate) fn title(report: &Report, group: &Group) -> String {
    let sizes: Vec<String> = group.sizes.iter().map(ToString::to_string).collect();
    let mut title = format!("Workload {}, {}", group.workload, sizes.join(", "));
    if report.groups.len() > 1 {
        let c = &group.conditions;
        let _ = write!(
            title,
            ", {} store, {} builder, profile {}, {} caches, {}",
            c.image_store,
            c.builder,
            c.profile,
            c.cache_state,
            format::plural(c.consumers as usize, "consumer", "consumers")
        );
    }
    title
}

/// The table: one row a strategy, one group of columns a size.
pub(crate) fn comparison(report: &Report, group: &Group) -> Grid {
    let mut columns = vec![("Approach".to_owned(), false)];
    for size in &group.sizes {
        columns.push((format!("Transfer at {size}, s"), true));
    }
    columns.push(("Claimed for 1–3 GB, s".to_owned(), true));
    for size in &group.sizes {
        columns.push((format!("Critical path at {size}, s"), true));
    }
    columns.push(("Complexity (claimed)".to_owned(), false));
    columns.push(("Cache limit".to_owned(), false));
    columns.push(("Byte-identical (measured)".to_owned(), false));
    columns.push(("Byte-identical (claimed)".to_owned(), false));
    let rows = group.lines.iter().map(|line| row(line, report.claims.on(&line.strategy))).collect();
    Grid { columns, rows }
}

fn row(line: &Line, claim: Option<&Claim>) -> Vec<String> {
    let claimed = |pick: &dyn Fn(&Claim) -> String| claim.map_or(NONE.to_owned(), pick);
    let known = |text: Option<&String>| text.cloned().unwrap_or_else(|| UNKNOWN.to_owned());
    let mut cells = vec![line.name.clone()];
    cells.extend(line.cells.iter().map(|c| spread(c.as_ref(), |c| format::time_spread(c.transfer.as_ref()))));
    cells.push(claimed(&|c| format!("{}–{}", c.transfer_low_s, c.transfer_high_s)));
    cells.extend(line.cells.iter().map(|c| spread(c.as_ref(), |c| format::time_spread(c.critical_path.as_ref()))));
    cells.push(claimed(&|c| known(c.complexity.as_ref())));
    cells.push(claimed(&|c| known(c.cache_limit.as_ref())));
    cells.push(identity(line));
    cells.push(claimed(&|c| match c.byte_identical {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => UNKNOWN.to_owned(),
    }));
    cells
}

/// A cell's text; where nothing completed, why there is none.
fn spread(cell: Option<&CellSummary>, text: impl Fn(&CellSummary) -> String) -> String {
    match cell {
        None => "not run yet".to_owned(),
        Some(c) if c.n == 0 => format!("none of {} completed", c.trials()),
        Some(c) => text(c),
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
