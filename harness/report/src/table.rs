//! The spike's comparison table, with what was measured beside what is claimed.

use std::fmt::Write as _;

use handoff_analysis::{CellSummary, Claim, Judgement, Subject};

use crate::document::{Cell, Grid, Tone};
use crate::format::{self, NONE};
use crate::report::{Group, Line, Report};
use crate::sections::claims;

/// Stands where a claim exists that we do not have the text of.
pub(crate) const UNKNOWN: &str = "?";

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
    let rows = group.lines.iter().map(|line| row(report, line)).collect();
    Grid { columns, rows }
}

fn row(report: &Report, line: &Line) -> Vec<Cell> {
    let claim = report.claims.on(&line.strategy);
    let claimed = |pick: &dyn Fn(&Claim) -> String| claim.map_or(NONE.to_owned(), pick);
    let known = |text: Option<&String>| text.cloned().unwrap_or_else(|| UNKNOWN.to_owned());
    let mut cells = vec![Cell::strategy(line)];
    cells.extend(line.cells.iter().map(|c| spread(c.as_ref(), |c| format::time_spread(c.transfer.as_ref()))));
    let range = claimed(&|c| format!("{}–{}", c.transfer_low_s, c.transfer_high_s));
    cells.push(judged(report, line, Subject::Transfer, range));
    cells.extend(line.cells.iter().map(|c| spread(c.as_ref(), |c| format::time_spread(c.critical_path.as_ref()))));
    cells.push(claimed(&|c| known(c.complexity.as_ref())).into());
    cells.push(claimed(&|c| known(c.cache_limit.as_ref())).into());
    cells.push(identity(line).into());
    let identical = claimed(&|c| match c.byte_identical {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => UNKNOWN.to_owned(),
    });
    cells.push(judged(report, line, Subject::Identity, identical));
    cells
}

/// A claim with its judgement, where it has been tested.
fn judged(report: &Report, line: &Line, subject: Subject, claimed: String) -> Cell {
    match claims::on(report, &line.strategy, subject) {
        Some(c) if line.plain && !matches!(c.judgement, Judgement::NotTested | Judgement::NotTheRecipe) => {
            Cell::toned(format!("{claimed}: {}", c.judgement.words()), claims::tone(c.judgement))
        }
        _ => claimed.into(),
    }
}

/// A cell's text; where nothing completed, why there is none.
fn spread(cell: Option<&CellSummary>, text: impl Fn(&CellSummary) -> String) -> Cell {
    match cell {
        None => Cell::toned("not run yet", Tone::Open),
        Some(c) if c.left_out().is_some() => Cell::toned(c.left_out().unwrap_or_default(), Tone::Open),
        Some(c) if c.n == 0 => Cell::toned(format!("none of {} completed", c.trials()), Tone::Bad),
        Some(c) => text(c).into(),
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
