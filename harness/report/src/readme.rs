//! Chart and table of a README.

use std::collections::BTreeMap;

use handoff_analysis::Metric;

use crate::block::Block;
use crate::format;
use crate::grid::Grid;
use crate::plot::{self, Names};
use crate::report::{Line, Report};
use crate::{factors, markdown, provenance};

/// Parts of a README that a report fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readme {
    /// Markdown of the chart, with its caption.
    pub chart: String,
    /// Markdown of the table.
    pub table: String,
    /// SVG files of the chart for a light and a dark page, by their names.
    pub files: [(&'static str, String); 2],
}

/// Folder of the chart's files, as seen from the README.
pub const README_CHARTS: &str = "docs";

/// Chart and table of a README: the spike's strategies, those of this project and the baseline, without variants, at the size of
/// the answer.
///
/// `links` has the address of each run's folder, as seen from the README. None where no trial completed.
pub fn readme(report: &Report, links: &BTreeMap<String, String>) -> Option<Readme> {
    let cells = report.headline(|_| true)?;
    let group = &report.groups[report.group_of(cells)?];
    let i = group.sizes.iter().position(|size| *size == cells.key.size)?;
    let is_main = |line: &Line| {
        let of_spike = report.claims.approaches.iter().any(|a| a.strategy == line.spec.name);
        line.plain && (of_spike || report.variants().is_ours(&line.spec) || report.variants().is_baseline(&line.spec))
    };
    let chart =
        plot::samples(group, Metric::CriticalPath, |line, size| size == i && is_main(line), &Names::default()).ok()?;
    let size = cells.key.size;
    let columns = format!("Approach | Critical path at {size}, s: | Each consumer job, s: | Proven identical");
    let mut grid = Grid::new(&columns);
    for line in group.lines.iter().filter(|line| is_main(line)) {
        let Some(cell) = &line.cells[i] else { continue };
        let [path, job] = [Metric::CriticalPath, Metric::Consume].map(|metric| format::range(cell.spread(metric)));
        let approach = format!("`{}`: {}", line.name, summary(report, line));
        grid.push([approach, path, job, format::identical(&cell.identity, cell.n)]);
    }
    let runs: Vec<String> = links.iter().map(|(run, link)| format!("[{run}]({link})")).collect();
    let is_real = provenance::profiles(report).0.is_empty();
    let place =
        if is_real { "Measured on GitHub" } else { "GitHub's services and network are simulated on one machine" };
    let caption = format!(
        "A mark is a trial, the line the median of {}, the band their range. {place}: {}, {}. Run: {}.",
        format::plural(cells.rounds(), "round", "rounds"),
        factors::words(&cells.key.conditions),
        provenance::cores(report),
        runs.join(", ")
    );
    let files = [("critical-path.svg", chart.svg(false)), ("critical-path-dark.svg", chart.svg(true))];
    let [light, dark] = [0, 1].map(|i| format!("{README_CHARTS}/{}", files[i].0));
    let alternative = format!("{}. {}", chart.title, chart.alternative);
    let chart = format!("{}\n{caption}", markdown::picture(&light, &dark, &alternative));
    Some(Readme { chart, table: markdown::render(&[Block::Table(grid)]), files })
}

/// Summary of a strategy in a few words.
fn summary<'a>(report: &'a Report, line: &Line) -> &'a str {
    let of_spike = report.claims.approaches.iter().find(|a| a.strategy == line.spec.name);
    match of_spike {
        Some(approach) => &approach.summary,
        None if report.variants().is_baseline(&line.spec) => "every job builds the image itself",
        None => "layers through a registry on loopback, stored as an artifact",
    }
}
