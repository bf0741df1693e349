//! What sharing stores, when it pays, what it costs.

use handoff_analysis::Store;

use super::{drawn, group_heading};
use crate::charts;
use crate::document::{Block, Cell, Grid};
use crate::format::{self, NONE};
use crate::report::{Group, Report};

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (i, group) in report.groups.iter().enumerate() {
        let mut part = vec![drawn(charts::pareto(report, i))];
        part.extend(stored(report, group));
        part.extend(break_even(report, group));
        blocks.extend(group_heading(report, group));
        blocks.extend(part);
    }
    blocks
}

fn stored(report: &Report, group: &Group) -> Option<Block> {
    let mut grid = Grid::new(&[
        ("Approach", false),
        ("Size", false),
        ("Held by", false),
        ("Stored a commit", true),
        ("Entries a commit", true),
        ("Commits until the cache limit evicts", true),
        ("Share of the artifact quota, by plan", false),
    ]);
    for line in group.lines.iter().filter(|l| !l.control) {
        for cell in line.cells.iter().flatten() {
            let Some(used) = report.analysis.storage.iter().find(|s| s.cell == cell.cell) else { continue };
            let held = match used.storage {
                Store::Artifact => "artifacts",
                Store::Cache => "the cache",
                Store::None => "nothing",
            };
            let shares: Vec<String> =
                used.quota_shares.iter().map(|q| format!("{}: {:.0} %", q.plan, q.share * 100.0)).collect();
            let mut row = vec![Cell::strategy(line)];
            let texts = [
                cell.cell.size.to_string(),
                held.to_owned(),
                format::bytes(used.bytes_per_commit),
                used.entries_per_commit.to_string(),
                used.commits_until_eviction.map_or(NONE.to_owned(), |n| n.to_string()),
                if shares.is_empty() { NONE.to_owned() } else { shares.join(", ") },
            ];
            row.extend(texts.map(Cell::from));
            grid.rows.push(row);
        }
    }
    (!grid.rows.is_empty()).then_some(Block::Table(grid))
}

/// When sharing pays against building again.
fn break_even(report: &Report, group: &Group) -> Vec<Block> {
    let all: Vec<_> = report
        .analysis
        .break_even
        .iter()
        .filter(|b| b.cell.workload == group.workload && b.cell.conditions == group.conditions && !b.cell.control)
        .collect();
    let Some(first) = all.first() else { return Vec::new() };
    let counts: Vec<u32> = first.build_s.iter().map(|(n, _)| *n).collect();
    let mut columns: Vec<(String, bool)> = vec![
        ("Approach".into(), false),
        ("Size".into(), false),
        ("First consumer waits longer by, s".into(), true),
        ("Jobs from which it pays at the measured build".into(), true),
    ];
    columns.extend(counts.iter().map(|n| (format!("Build from which it pays with {n}, s"), true)));
    let mut grid = Grid { columns, rows: Vec::new() };
    for line in group.lines.iter().filter(|l| !l.control) {
        for b in all.iter().filter(|b| b.cell.strategy == line.spec) {
            let mut row = vec![Cell::strategy(line), b.cell.size.to_string().into()];
            row.push(format::sign(b.wait_s, 1).into());
            row.push(b.consumers.map_or("never".to_owned(), |n| n.to_string()).into());
            for n in &counts {
                let build = b.build_s.iter().find(|(m, _)| m == n).and_then(|(_, s)| *s);
                row.push(build.map_or("never".to_owned(), |s| format!("{:.0}", s.max(0.0))).into());
            }
            grid.rows.push(row);
        }
    }
    vec![
        Block::Heading(4, "When sharing pays against building again".to_owned()),
        Block::Text(
            "It pays where all jobs together take less time than if each of them built. From medians; the measured build is that \
             of the synthetic image, a few seconds."
                .to_owned(),
        ),
        Block::Table(grid),
    ]
}
