//! The spike's statements that the rows of a report say something of, option by option.

use handoff_analysis::{Evidence, JudgedClaim, Judgement, Measured, TableCell, Unit};
use handoff_model::StrategySpec;
use handoff_model::list::grouped;

use crate::block::Block;
use crate::format::{self, NONE};
use crate::grid::{Cell, Grid, Tone};
use crate::plot::look;
use crate::provenance::{Images, images};
use crate::report::Report;

/// Most pieces of evidence that one row shows where all depart from the recipe: more would bury the rest.
const MOST: usize = 3;

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    if images(report) == Images::User {
        return vec![Block::Text(String::from(
            "The spike's statements are about images of 1 to 3 GB and are not judged by an image of your own.",
        ))];
    }
    let touched: Vec<&JudgedClaim> = report.judged.iter().filter(|c| !c.evidence.is_empty()).collect();
    let left = report.judged.len() - touched.len();
    let mut blocks = Vec::new();
    for approach in &report.claims.approaches {
        let own: Vec<&&JudgedClaim> = touched.iter().filter(|c| c.option == approach.option).collect();
        if own.is_empty() {
            continue;
        }
        let mut grid = Grid::new("Statement | Claimed | Measured | Verdict | Reason");
        for claim in own {
            grid.rows.push(row(report, claim));
        }
        blocks.push(Block::Heading(3, format!("Option {}: {}", approach.option, approach.strategy)));
        blocks.push(Block::Table(grid));
    }
    blocks.push(Block::Text(format!(
        "{} of the spike need other runs, a workflow or documentation; docs/spike.md of the repository has a row for every statement.",
        format::plural(left, "statement", "statements")
    )));
    blocks
}

fn row(report: &Report, claim: &JudgedClaim) -> Vec<Cell> {
    let look = look(report.variants().look(&StrategySpec::plain(&claim.strategy)), true);
    let statement = Cell { text: claim.statement.clone(), look: Some(look), ..Cell::default() };
    vec![statement, claim.claimed.clone().into(), measured(claim).into(), verdict(claim), reason(claim).into()]
}

/// The verdict, coloured.
pub(crate) fn verdict(claim: &JudgedClaim) -> Cell {
    Cell::toned(claim.verdict(), tone(claim.judgement))
}

/// The reason, unless the verdict says it already.
pub(crate) fn reason(claim: &JudgedClaim) -> String {
    let said = claim.judgement == Judgement::NotJudged || claim.reason.is_empty();
    if said { NONE.to_owned() } else { claim.reason.clone() }
}

pub(crate) fn tone(judgement: Judgement) -> Tone {
    match judgement {
        Judgement::AsClaimed | Judgement::FasterThanClaimed => Tone::Good,
        Judgement::SlowerThanClaimed | Judgement::NotAsClaimed => Tone::Bad,
        Judgement::NotJudged => Tone::Open,
    }
}

/// The judged claim of a cell of the spike's table.
pub(crate) fn on<'a>(report: &'a Report, strategy: &str, cell: TableCell) -> Option<&'a JudgedClaim> {
    report.judged.iter().find(|c| c.strategy == strategy && c.cell == Some(cell))
}

/// The evidence shown in one row, with how many pieces are left out.
pub(crate) fn shown(claim: &JudgedClaim) -> (Vec<&Evidence>, usize) {
    let mut all = claim.shown();
    let most = if all.iter().any(|e| e.departures.is_empty()) { all.len() } else { MOST };
    let left = all.len().saturating_sub(most);
    all.truncate(most);
    (all, left)
}

/// What was measured, each value with where: `49.3 s [44.7–55.4, 99.2 %] (typical 1GiB, github-hosted, overlay2, n = 8)`. A
/// value that several runs share is said once.
pub(crate) fn measured(claim: &JudgedClaim) -> String {
    let (shown, left) = shown(claim);
    let values = shown.into_iter().map(|e| {
        let place =
            format!("{} {}, {}, {}, n = {}", e.workload, e.size, e.conditions.profile, e.conditions.image_store, e.n);
        (e.measured.as_ref().map_or_else(|| e.note.clone(), value), place)
    });
    let mut parts: Vec<String> = grouped(values)
        .into_iter()
        .map(|(value, places)| format!("{value} ({})", places.join("; ")).trim().to_owned())
        .collect();
    if left > 0 {
        parts.push(format!("and {left} more"));
    }
    if parts.is_empty() { NONE.to_owned() } else { parts.join("; ") }
}

/// A median with its interval: `49.3 s [44.7–55.4, 99.2 %]`.
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
    // Counts and bytes hardly vary: a range says enough.
    let interval = if matches!(m.unit, Unit::Count | Unit::Bytes) {
        if show(m.low) == show(m.high) { String::new() } else { format!(" [{}–{}]", show(m.low), show(m.high)) }
    } else if m.coverage > 0.0 {
        format!(" [{}–{}, {:.1} %]", show(m.low), show(m.high), m.coverage * 100.0)
    } else {
        String::new()
    };
    format!("{}{unit}{interval}", show(m.median))
}
