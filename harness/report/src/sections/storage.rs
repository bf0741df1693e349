//! Storage, break-even and cost of sharing.

use handoff_analysis::CONSUMERS;
use handoff_analysis::decisions::Parts;
use handoff_model::Storage;

use super::{drawn, group_heading};
use crate::block::Block;
use crate::charts;
use crate::format::{self, NONE};
use crate::grid::Grid;
use crate::provenance::{Images, images};
use crate::report::{Group, Report};

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (i, group) in report.groups.iter().enumerate() {
        blocks.extend(group_heading(report, group));
        blocks.push(drawn(charts::pareto(report, i), false));
        blocks.extend(stored(report, group));
        blocks.extend(break_even(report, group));
        blocks.extend(cost(report, group));
    }
    blocks
}

fn stored(report: &Report, group: &Group) -> Option<Block> {
    let mut grid = Grid::new(
        "Approach | Size | Held by | Stored a commit: | Entries a commit: | \
         Commits until the cache limit evicts: | Share of the artifact quota, by plan",
    );
    for line in group.lines.iter().filter(|l| !l.control) {
        for cell in line.cells.iter().flatten() {
            let Some(used) = report.analysis.storage.iter().find(|s| s.cell == cell.cell) else { continue };
            let held = match used.storage {
                Storage::Artifact => "artifacts",
                Storage::Cache => "the cache",
                Storage::None => "nothing",
            };
            let shares: Vec<String> =
                used.quota_shares.iter().map(|q| format!("{}: {:.0} %", q.plan, q.share * 100.0)).collect();
            let texts = [
                cell.cell.size.to_string(),
                held.to_owned(),
                format::bytes(used.bytes_per_commit),
                used.entries_per_commit.to_string(),
                used.commits_until_eviction.map_or(NONE.to_owned(), |n| n.to_string()),
                if shares.is_empty() { NONE.to_owned() } else { shares.join(", ") },
            ];
            grid.push_line(line, texts);
        }
    }
    (!grid.rows.is_empty()).then_some(Block::Table(grid))
}

/// Break-even of sharing against building again.
fn break_even(report: &Report, group: &Group) -> Vec<Block> {
    let all: Vec<_> = report
        .analysis
        .break_even
        .iter()
        .filter(|b| b.cell.workload == group.workload && b.cell.conditions == group.conditions && !b.cell.control)
        .collect();
    let Some(first) = all.first() else { return Vec::new() };
    let counts: Vec<u32> = first.build_s.iter().map(|(n, _)| *n).collect();
    let names = "Approach | Size | First consumer waits longer by, s: | Jobs from which it pays at the measured build:";
    let mut grid =
        Grid::new(names).with_numbers(counts.iter().map(|n| format!("Build from which it pays with {n}, s")));
    for line in group.lines.iter().filter(|l| !l.control) {
        for b in all.iter().filter(|b| b.cell.strategy == line.spec) {
            let jobs = b.consumers.map_or("never".to_owned(), |n| n.to_string());
            let builds = counts.iter().map(|n| {
                let build = b.build_s.iter().find(|(m, _)| m == n).and_then(|(_, s)| *s);
                build.map_or("never".to_owned(), |s| format!("{:.0}", s.max(0.0)))
            });
            grid.push_line(line, [b.cell.size.to_string(), format::sign(b.wait_s, 1), jobs].into_iter().chain(builds));
        }
    }
    let is_users = images(report) == Images::User;
    let image = if is_users { "your image" } else { "the synthetic image, a few seconds" };
    vec![
        Block::Heading(4, "When sharing pays against building again".to_owned()),
        Block::Text(format!(
            "Sharing pays where all jobs together take less time than if each job builds. The table is computed from medians. The measured \
             build is that of {image}."
        )),
        Block::Table(grid),
    ]
}

/// Cost of the runners of one push, by the given prices.
fn cost(report: &Report, group: &Group) -> Vec<Block> {
    let prices = &report.analysis.options.prices;
    let columns =
        CONSUMERS.map(|n| format!("{}: billed minutes, US$", format::plural(n as usize, "consumer", "consumers")));
    let mut grid = Grid::new("Approach | Size").with_numbers(columns);
    for line in group.lines.iter().filter(|l| !l.control) {
        for cell in line.cells.iter().flatten() {
            let Some(parts) = Parts::of(cell) else { continue };
            let costs = CONSUMERS.map(|n| {
                let minutes = parts.billed_minutes(n);
                let usd = prices.runner.usd_per_minute.map_or("?".to_owned(), |p| format!("{:.3}", minutes as f64 * p));
                format!("{minutes}, {usd}")
            });
            grid.push_line(line, [cell.cell.size.to_string()].into_iter().chain(costs));
        }
    }
    if grid.rows.is_empty() {
        return Vec::new();
    }
    let price = match prices.runner.usd_per_minute {
        Some(usd) => format!("US$ {usd} a minute, {}", prices.runner.source),
        None => "no price of a minute is given".to_owned(),
    };
    vec![
        Block::Heading(4, "Cost of the runners of one push".to_owned()),
        Block::Text(format!(
            "The cost is modelled from these medians, as if a hosted runner took as long. Every job is rounded up to whole minutes. \
             Private repositories pay for minutes beyond their plan; public ones pay nothing. Prices of {}: {price}. \
             `handoff recommend --prices FILE` takes other prices.",
            prices.date
        )),
        Block::Table(grid),
    ]
}
