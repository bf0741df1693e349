//! Spike's statements that the rows of a report bear on, option by option.

use handoff_analysis::{Evidence, JudgedClaim, Judgement, Measured, Metric, TableCell, Unit};
use handoff_model::StrategySpec;
use handoff_model::list::grouped;

use super::group_heading;
use crate::block::Block;
use crate::format::{self, NONE};
use crate::grid::{Cell, Grid, Tone};
use crate::plot::look;
use crate::provenance::{Images, images};
use crate::report::{Group, Line, Report};
use crate::{provenance, table};

/// Most pieces of evidence in a row whose evidence all departs from the recipe.
const MOST: usize = 3;

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    if images(report) == Images::User {
        return vec![Block::Text(String::from(
            "The spike's statements are about images of 1 to 3 GB. An image of your own does not judge them.",
        ))];
    }
    let touched: Vec<&JudgedClaim> = report.judged.iter().filter(|c| !c.evidence.is_empty()).collect();
    let left = report.judged.len() - touched.len();
    let source = &report.claims.source;
    let mut blocks = vec![
        Block::Text(provenance::not_judged(report)),
        Block::Text(format!(
            "The claims are those of the spike ({}, {}), for images of 1 to 3 GB. Its figure for `gha-cache` is the rebuild in the \
             consumer. A verdict speaks of the strategy: `faster than claimed` means that the strategy takes less time.",
            source.url, source.date
        )),
    ];
    for group in &report.groups {
        blocks.extend(group_heading(report, group));
        blocks.push(Block::Table(comparison(report, group)));
    }
    for approach in &report.claims.approaches {
        let of_option: Vec<&&JudgedClaim> = touched.iter().filter(|c| c.option == approach.option).collect();
        if of_option.is_empty() {
            continue;
        }
        let mut grid = Grid::new("Statement | Claimed | Measured | Verdict | Reason");
        for claim in of_option {
            grid.rows.push(row(report, claim));
        }
        blocks.push(Block::Heading(3, format!("Option {}: {}", approach.option, approach.strategy)));
        blocks.push(Block::Table(grid));
    }
    blocks.push(Block::Text(format!(
        "{} of the spike need other runs, a workflow or documentation. `docs/spike.md` of the repository has a row for every statement.",
        format::plural(left, "statement", "statements")
    )));
    blocks
}

fn row(report: &Report, claim: &JudgedClaim) -> Vec<Cell> {
    let look = look(report.variants().look(&StrategySpec::plain(&claim.strategy)), true);
    let statement = Cell { text: claim.statement.clone(), look: Some(look), ..Cell::default() };
    vec![statement, claim.claimed.clone().into(), measured(claim).into(), verdict(claim), reason(claim).into()]
}

/// Verdict, coloured.
pub(crate) fn verdict(claim: &JudgedClaim) -> Cell {
    Cell::toned(claim.verdict(), tone(claim.judgement))
}

/// Reason, unless the verdict has it already.
pub(crate) fn reason(claim: &JudgedClaim) -> String {
    let is_known = claim.judgement == Judgement::NotJudged || claim.reason.is_empty();
    if is_known { NONE.to_owned() } else { claim.reason.clone() }
}

pub(crate) fn tone(judgement: Judgement) -> Tone {
    match judgement {
        Judgement::AsClaimed | Judgement::FasterThanClaimed => Tone::Good,
        Judgement::SlowerThanClaimed | Judgement::NotAsClaimed => Tone::Bad,
        Judgement::NotJudged => Tone::Open,
    }
}

/// Judged claim of a cell of the spike's table.
pub(crate) fn on<'a>(report: &'a Report, strategy: &str, cell: TableCell) -> Option<&'a JudgedClaim> {
    report.judged.iter().find(|c| c.strategy == strategy && c.cell == Some(cell))
}

/// Evidence shown in one row, with the number of pieces left out.
pub(crate) fn shown(claim: &JudgedClaim) -> (Vec<&Evidence>, usize) {
    let mut all = claim.shown();
    let most = if all.iter().any(|e| e.departures.is_empty()) { all.len() } else { MOST };
    let left = all.len().saturating_sub(most);
    all.truncate(most);
    (all, left)
}

/// Measured values, each with its cell: `49.3 s [44.7–55.4, 99.2 %] (typical 1GiB, github-hosted, overlay2, n = 8)`. A value
/// that several runs share appears once.
pub(crate) fn measured(claim: &JudgedClaim) -> String {
    let (shown, left) = shown(claim);
    let values = shown.into_iter().map(|e| {
        let cell = format!(
            "{} {}, {}, {}, n = {}",
            e.workload,
            e.size,
            e.conditions.profile_and_disk(),
            e.conditions.image_store,
            e.n
        );
        (e.measured.as_ref().map_or_else(|| e.note.clone(), value), cell)
    });
    let mut parts: Vec<String> = grouped(values)
        .into_iter()
        .map(|(value, cells)| format!("{value} ({})", cells.join("; ")).trim().to_owned())
        .collect();
    if left > 0 {
        parts.push(format!("and {left} more"));
    }
    if parts.is_empty() { NONE.to_owned() } else { parts.join("; ") }
}

/// Median with its interval: `49.3 s [44.7–55.4, 99.2 %]`.
fn value(m: &Measured) -> String {
    let show = |v: f64| match m.unit {
        Unit::Count => format!("{v:.0}"),
        Unit::Ratio => format!("{v:.3}"),
        Unit::Bytes => format::bytes(v as u64),
        Unit::Seconds | Unit::MibPerSecond => format!("{v:.1}"),
    };
    let unit = match m.unit {
        Unit::Seconds => " s",
        Unit::MibPerSecond => " MiB/s",
        Unit::Bytes | Unit::Count | Unit::Ratio => "",
    };
    // Counts and bytes hardly vary, so that a range is enough.
    let interval = if matches!(m.unit, Unit::Count | Unit::Bytes) {
        if show(m.low) == show(m.high) { String::new() } else { format!(" [{}–{}]", show(m.low), show(m.high)) }
    } else if m.coverage > 0.0 {
        format!(" [{}–{}, {:.1} %]", show(m.low), show(m.high), m.coverage * 100.0)
    } else {
        String::new()
    };
    format!("{}{unit}{interval}", show(m.median))
}

/// The spike's comparison table, measured beside claimed: one row a strategy, one column a size.
fn comparison(report: &Report, group: &Group) -> Grid {
    let transfer = group.sizes.iter().map(|size| format!(" | Transfer at {size}, s:")).collect::<Vec<_>>().concat();
    let mut grid = Grid::new(&format!(
        "Approach{transfer} | Claimed for 1–3 GB | Complexity (claimed) | Cache limit (claimed) | Byte-identical (measured) | \
         Byte-identical (claimed)"
    ));
    for line in &group.lines {
        let times = line.cells.iter().map(|cell| match cell {
            Some(c) if c.n > 0 => format::time_spread(c.spread(Metric::Transfer)).into(),
            cell => table::missing(report, line, cell.as_ref()),
        });
        let mut row: Vec<Cell> = times.collect();
        row.extend(
            [TableCell::Transfer, TableCell::Complexity, TableCell::CacheLimit].map(|c| claimed(report, line, c)),
        );
        row.extend([identity(line).into(), claimed(report, line, TableCell::ByteIdentical)]);
        grid.push_line(line, row);
    }
    grid
}

/// Cell of the spike's table, with its verdict where the rows of the plain strategy judge it.
fn claimed(report: &Report, line: &Line, cell: TableCell) -> Cell {
    let Some(claim) = report.claims.cell(&line.spec.name, cell) else { return NONE.into() };
    let measured = matches!(cell, TableCell::Transfer | TableCell::ByteIdentical);
    match on(report, &line.spec.name, cell) {
        Some(c) if line.plain && measured && c.judgement != Judgement::NotJudged => {
            Cell::toned(format!("{}: {}", claim.claimed, c.short_verdict()), tone(c.judgement))
        }
        _ => claim.claimed.clone().into(),
    }
}

/// Identity over the sizes: one text where all sizes agree.
fn identity(line: &Line) -> String {
    let cells = line.cells.iter().flatten().filter(|c| c.n > 0);
    let texts: Vec<_> = cells.map(|c| (c.cell.size, format::identity(&c.identity, c.n))).collect();
    match texts.first() {
        None => NONE.to_owned(),
        Some((_, first)) if texts.iter().all(|(_, t)| t == first) => first.clone(),
        Some(_) => texts.iter().map(|(size, t)| format!("{size}: {t}")).collect::<Vec<_>>().join("; "),
    }
}
