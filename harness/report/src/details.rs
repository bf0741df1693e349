//! Parts of trials, findings on identity, and failures.

use std::collections::BTreeMap;

use handoff_analysis::CellSummary;
use handoff_model::list::unique;

use crate::block::Block;
use crate::format;
use crate::grid::{Cell, Grid, Tone};
use crate::report::{Group, Report};

/// Fewest trials of which a range shows the spread.
const ENOUGH: usize = 3;

/// Times and bytes of the parts of trials: one table a size.
pub(crate) fn parts(group: &Group) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (i, size) in group.sizes.iter().enumerate() {
        let mut grid = Grid::new(
            "Approach | Trials done: | Producer, s: | Consumer, s: | Critical path, s: | of it build, s: | All jobs, s: | \
             Stored: | Sent: | Received: | Requests: | Harness, %:",
        );
        for line in &group.lines {
            let Some(cell) = &line.cells[i] else { continue };
            grid.push_line(line, part(cell));
        }
        if !grid.rows.is_empty() {
            blocks.push(Block::Heading(4, format!("Parts at {size}, medians")));
            blocks.push(Block::Table(grid));
        }
    }
    if !blocks.is_empty() {
        blocks.push(Block::Text(String::from("Harness is the share of the critical path that the harness itself costs: time outside all spans, plus its CPU time.")));
    }
    blocks
}

fn part(cell: &CellSummary) -> [String; 11] {
    let harness = cell.harness_ppm.as_ref().map(|p| format!("{:.2}", p.median() as f64 / 10_000.0));
    [
        format!("{} of {}", cell.n, cell.trials()),
        format::time(cell.produce.as_ref()),
        format::time(cell.consume.as_ref()),
        format::time(cell.critical_path.as_ref()),
        format::time(cell.build.as_ref()),
        format::time(cell.runner.as_ref()),
        format::size(cell.bytes_stored.as_ref()),
        format::size(cell.bytes_up.as_ref()),
        format::size(cell.bytes_down.as_ref()),
        format::count(cell.requests.as_ref()),
        harness.unwrap_or_else(|| format::NONE.to_owned()),
    ]
}

/// How to read the summary tables.
pub(crate) const KEY: &str = "Times are in seconds. The critical path is the producer plus the slowest consumer; of a baseline without a producer, the consumer \
     alone. Transfer is the critical path without the steps of the Dockerfile: the cost of sharing on top of building. \
     The last column is the shift within rounds, with its verdict.";

/// Sentence on medians of too few trials.
pub(crate) fn too_few(report: &Report) -> Option<String> {
    let few: Vec<String> = report
        .cells()
        .filter(|c| (1..ENOUGH).contains(&c.n))
        .map(|c| format!("{} at {} (n = {})", c.cell.strategy, c.cell.size, c.n))
        .collect();
    (!few.is_empty()).then(|| {
        format!(
            "These cells have fewer than {ENOUGH} completed trials, so that median and range mean little: {}. Use more `--rounds`.",
            few.join(", ")
        )
    })
}

/// Findings on identity, and the clients that moved the bytes.
pub(crate) fn findings(report: &Report) -> Vec<Block> {
    let mut notes: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    let mut clients: Vec<String> = Vec::new();
    for cell in report.cells() {
        let name = cell.cell.strategy.to_string();
        for note in &cell.identity.notes {
            notes.entry(note).or_default().push(name.clone());
        }
        let mut parts: Vec<String> = cell.clients.iter().cloned().collect();
        parts.extend(cell.sources.iter().map(|s| format!("tar from {s}")));
        parts.extend(cell.imports.iter().map(|way| taken_in(way)));
        clients.extend((!parts.is_empty()).then(|| format!("{name}: {}", parts.join(", "))));
    }
    let mut blocks = Vec::new();
    if !notes.is_empty() {
        blocks.push(Block::Heading(3, "Findings".to_owned()));
        blocks.push(Block::List(
            notes.into_iter().map(|(note, names)| format!("{note} ({})", unique(names).join(", "))).collect(),
        ));
    }
    if !clients.is_empty() {
        blocks.push(Block::Heading(3, "Clients".to_owned()));
        blocks.push(Block::List(unique(clients)));
    }
    blocks
}

/// Words for the way of an image into a consumer's engine.
fn taken_in(way: &str) -> String {
    match way {
        "import" => "imported into the engine's containerd store".to_owned(),
        "pull" => "pulled by the engine".to_owned(),
        other => format!("into the engine by {other}"),
    }
}

/// Trials without times, each with its reason.
pub(crate) fn failures(report: &Report) -> Vec<Block> {
    let mut grid = Grid::new("Trial | Outcome | Span | Error");
    for f in report.cells().flat_map(|c| &c.failures) {
        let outcome = Cell::toned(f.outcome.to_string(), Tone::Bad);
        grid.push([f.trial.clone().into(), outcome, f.span.clone().into(), f.error.clone().into()]);
    }
    if grid.rows.is_empty() {
        return vec![Block::Text("Every trial that ran completed.".to_owned())];
    }

    vec![Block::Text("Trials that did not complete have no times and enter no median.".to_owned()), Block::Table(grid)]
}
