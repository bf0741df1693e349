//! What stands below the comparison: where time and bytes go, findings on identity, failures.

use std::collections::BTreeMap;

use handoff_analysis::CellSummary;
use handoff_model::list::unique;

use crate::block::Block;
use crate::format;
use crate::grid::{Cell, Grid, Tone};
use crate::provenance::{Images, images};
use crate::report::{Group, Report};

/// The fewest trials of which a range says anything about spread.
const ENOUGH: usize = 3;

/// Where time and bytes go: one table a size.
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
        blocks.push(Block::Text(String::from("Harness is the harness's own share of the critical path: time that no child's span covers, plus its CPU time.")));
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

/// How a cell of the comparison is to be read.
pub(crate) fn key() -> &'static str {
    "Times are seconds: median [smallest–largest] (number of completed trials). Transfer is the critical path without \
     the steps of the Dockerfile: what sharing costs on top of building; the critical path is the producer plus the \
     slowest consumer, and for `rebuild`, which shares nothing, the consumer alone."
}

/// What a reader needs to take the tables rightly.
pub(crate) fn reading(report: &Report) -> Vec<String> {
    let source = &report.claims.source;
    let mut notes = vec![key().to_owned()];
    if images(report) != Images::User {
        notes.push(format!(
            "Claimed figures are those of the spike ({}, {}), for images of 1 to 3 GB; that of `gha-cache` is the consumer's rebuild. A verdict \
             beside a figure speaks of the strategy. `{}` is no value.",
            source.url,
            source.date,
            format::NONE
        ));
    }
    notes.push(String::from("Byte-identical is measured on four levels: content is every file of the image, layers the uncompressed layers, \
         config the image's config, index the digest by which the engine knows it."));
    notes.extend(too_few(report));
    notes
}

/// Says which medians stand on too little.
pub(crate) fn too_few(report: &Report) -> Option<String> {
    let few: Vec<String> = report
        .cells()
        .filter(|c| (1..ENOUGH).contains(&c.n))
        .map(|c| format!("{} at {} (n = {})", c.cell.strategy, c.cell.size, c.n))
        .collect();
    (!few.is_empty()).then(|| {
        format!(
            "Fewer than {ENOUGH} completed trials, so that median and range say little: {}. More --rounds help.",
            few.join(", ")
        )
    })
}

/// Findings and reasons on identity, and how the bytes were moved.
pub(crate) fn findings(report: &Report) -> Vec<Block> {
    let mut notes: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    let mut means: Vec<String> = Vec::new();
    for cell in report.cells() {
        let name = cell.cell.strategy.to_string();
        for note in &cell.identity.notes {
            notes.entry(note).or_default().push(name.clone());
        }
        let mut parts: Vec<String> = cell.clients.iter().cloned().collect();
        parts.extend(cell.sources.iter().map(|s| format!("tar from {s}")));
        means.extend((!parts.is_empty()).then(|| format!("{name}: {}", parts.join(", "))));
    }
    let mut blocks = Vec::new();
    if !notes.is_empty() {
        blocks.push(Block::Heading(3, "Findings".to_owned()));
        blocks.push(Block::List(
            notes.into_iter().map(|(note, names)| format!("{note} ({})", unique(names).join(", "))).collect(),
        ));
    }
    if !means.is_empty() {
        blocks.push(Block::Heading(3, "By which client".to_owned()));
        blocks.push(Block::List(unique(means)));
    }
    blocks
}

/// Every trial without numbers, with its reason.
pub(crate) fn failures(report: &Report) -> Vec<Block> {
    let mut grid = Grid::new("Trial | Outcome | Where | Why");
    for f in report.cells().flat_map(|c| &c.failures) {
        let outcome = Cell::toned(f.outcome.to_string(), Tone::Bad);
        grid.push([f.trial.clone().into(), outcome, f.span.clone().into(), f.error.clone().into()]);
    }
    if grid.rows.is_empty() {
        return vec![Block::Text("Every trial that has run has completed.".to_owned())];
    }

    vec![Block::Text("Trials that did not complete have no times and enter no median.".to_owned()), Block::Table(grid)]
}
