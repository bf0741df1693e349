//! Same trials under several links: results that rest on assumed figures, and approaches that change places.

use std::collections::BTreeSet;

use handoff_analysis::{CellSummary, Metric};
use handoff_model::list::grouped;
use handoff_model::{ByteSize, Conditions, DiskLimit, natural};

use crate::block::Block;
use crate::factors;
use crate::format::{self, NONE};
use crate::grid::{Cell, Grid};
use crate::report::{Group, Line, Report};

/// Empty where there is one link only.
pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let sets = sets(report);
    let mut blocks = Vec::new();
    for set in &sets {
        let labels = labels(set);
        for (size, at) in sizes(set) {
            let differences = factors::differences_without(report, set[0], &["profile", "disk_limit"]);
            let separator = if differences.is_empty() { "" } else { ", " };
            blocks.push(Block::Heading(3, format!("{size}{separator}{differences}")));
            for metric in [Metric::CriticalPath, Metric::Transfer] {
                blocks.push(Block::Table(grid(report, set, &at, &labels, metric)));
            }
            blocks.push(changes_of_place(set, &at, &labels));
        }
    }
    if blocks.is_empty() {
        return blocks;
    }
    let mut head = "The columns differ in the link only. A cell is median [smallest–largest] (completed trials), and the verdict on the \
                    critical path against the reference under that link."
        .to_owned();
    let limit = |g: &Group| g.conditions.disk_limit;
    if sets.iter().any(|set| set.iter().any(|g| limit(g) != limit(set[0]))) {
        head.push_str(" The limit of each job's disk differs as well, because it is a figure of the profile.");
    }
    if report.groups.iter().any(|g| end(&g.conditions.profile) != Ends::AsItIs) {
        head.push_str(
            " `@slow` and `@fast` put every assumed figure of the profile at the slow or the fast end of its range. Differences between \
             these columns rest on assumptions.",
        );
    }
    blocks.insert(0, Block::Text(head));
    blocks
}

/// Groups that differ in their link only, from the slowest to the fastest.
fn sets(report: &Report) -> Vec<Vec<&Group>> {
    // The limit of the disk is a figure of the profile.
    let key = |g: &Group| {
        (g.workload.clone(), Conditions { profile: String::new(), disk_limit: DiskLimit::NONE, ..g.conditions.clone() })
    };
    let mut sets: Vec<Vec<&Group>> =
        grouped(report.groups.iter().map(|g| (key(g), g))).into_iter().map(|(_, set)| set).collect();
    sets.retain(|set| set.len() > 1);
    for set in &mut sets {
        set.sort_by_key(|g| (end(&g.conditions.profile), natural(&g.conditions.profile), g.conditions.disk_limit));
    }
    sets
}

/// End of the ranges that a profile takes its assumed figures from.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    Slow,
    AsItIs,
    Fast,
}

fn end(profile: &str) -> Ends {
    if profile.contains("@slow") {
        Ends::Slow
    } else if profile.contains("@fast") {
        Ends::Fast
    } else {
        Ends::AsItIs
    }
}

/// Names of the columns: the changes alone where all links are changes of one profile. Columns of the same name differ in the limit
/// of the disk, which older rows of the profile do not have.
fn labels(set: &[&Group]) -> Vec<String> {
    let names = names(set);
    let shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let label = |(name, g): (&String, &&Group)| match g.conditions.disk_limit {
        _ if !shared(name) => name.clone(),
        DiskLimit::NONE => format!("{name}, no disk limit"),
        limit => format!("{name}, disk {limit}"),
    };
    names.iter().zip(set).map(label).collect()
}

fn names(set: &[&Group]) -> Vec<String> {
    let split = |g: &&Group| {
        let name = &g.conditions.profile;
        name.split_once(':').map_or((name.clone(), String::new()), |(base, rest)| (base.to_owned(), rest.to_owned()))
    };
    let parts: Vec<(String, String)> = set.iter().map(split).collect();
    let one = parts.iter().all(|(base, _)| *base == parts[0].0);
    let changed = parts.iter().all(|(_, rest)| !rest.is_empty());
    set.iter()
        .zip(&parts)
        .map(|(g, (base, rest))| match (one, rest.is_empty()) {
            (true, true) => format!("{base} as it is"),
            (true, false) if changed => format!("{base}, {rest}"),
            (true, false) => rest.clone(),
            _ => g.conditions.profile.clone(),
        })
        .collect()
}

/// Sizes that at least two of the links have, each with its index in every group.
fn sizes(set: &[&Group]) -> Vec<(ByteSize, Vec<Option<usize>>)> {
    let all: BTreeSet<ByteSize> = set.iter().flat_map(|g| g.sizes.iter().copied()).collect();
    let index = |size: ByteSize| set.iter().map(|g| g.sizes.iter().position(|s| *s == size)).collect::<Vec<_>>();
    let shared = |at: &Vec<Option<usize>>| at.iter().flatten().count() > 1;
    all.into_iter().map(|size| (size, index(size))).filter(|(_, at)| shared(at)).collect()
}

/// Approaches that have a row under one of the links, in the order of the tables.
fn lines<'a>(set: &[&'a Group]) -> Vec<&'a Line> {
    let all = set.iter().flat_map(|g| &g.lines).filter(|l| !l.control).map(|l| (&l.spec, l));
    grouped(all).into_iter().map(|(_, same)| same[0]).collect()
}

fn cell<'a>(group: &'a Group, line: &Line, at: Option<usize>) -> Option<&'a CellSummary> {
    group.lines.iter().find(|l| l.spec == line.spec && !l.control)?.cells[at?].as_ref()
}

fn grid(report: &Report, set: &[&Group], at: &[Option<usize>], labels: &[String], metric: Metric) -> Grid {
    let mut grid = Grid::new(&format!("{}, s", format::capital(metric.words()))).with_numbers(labels.iter().cloned());
    for line in lines(set) {
        let mut row = vec![Cell::strategy(line)];
        for (group, at) in set.iter().zip(at) {
            let text = format::time_spread(cell(group, line, *at).and_then(|c| c.spread(metric)));
            let verdict = if metric == Metric::CriticalPath { verdict(report, group, line, *at) } else { None };
            row.push(verdict.map_or(text.clone(), |word| format!("{text}: {word}")).into());
        }
        if row.iter().skip(1).any(|c| c.text != NONE) {
            grid.rows.push(row);
        }
    }
    grid
}

/// Verdict that is not inconclusive.
fn verdict(report: &Report, group: &Group, line: &Line, at: Option<usize>) -> Option<&'static str> {
    let cells = report.analysed(group, at?)?;
    let comparison = cells.main_family()?.comparisons.iter().find(|c| c.strategy == line.spec)?;
    comparison.verdict.inconclusive().is_none().then(|| comparison.verdict.word())
}

/// Approaches that change places between the first link and the last, by medians.
fn changes_of_place(set: &[&Group], at: &[Option<usize>], labels: &[String]) -> Block {
    let median = |line: &Line| -> Option<Vec<u64>> {
        set.iter().zip(at).map(|(g, at)| Some(cell(g, line, *at)?.critical_path.as_ref()?.median())).collect()
    };
    let known: Vec<(&Line, Vec<u64>)> = lines(set).into_iter().filter_map(|l| Some((l, median(l)?))).collect();
    let mut items = Vec::new();
    for (i, (a, times)) in known.iter().enumerate() {
        for (b, others) in &known[i + 1..] {
            let ahead: Vec<bool> = times.iter().zip(others).map(|(a, b)| a < b).collect();
            let changes: Vec<usize> = (1..ahead.len()).filter(|k| ahead[*k] != ahead[k - 1]).collect();
            if let [from] = changes.as_slice() {
                let (first, second) = if ahead[0] { (a, b) } else { (b, a) };
                items.push(format!(
                    "`{}` has the smaller median up to {}, `{}` from {} on.",
                    first.name,
                    labels[from - 1],
                    second.name,
                    labels[*from]
                ));
            }
        }
    }
    if items.is_empty() {
        return Block::Text(String::from(
            "By medians of the critical path, no two approaches change places once from left to right.",
        ));
    }
    items.insert(
        0,
        "These approaches change places once from left to right, by medians of the critical path (no verdicts):"
            .to_owned(),
    );
    Block::List(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_sorted_by_their_figures() {
        let mut names = ["a:t=10ms", "a:t=2ms", "a", "a:@fast", "a:@slow", "a:t=2.5ms"];
        names.sort_by_key(|n| (end(n), natural(n)));
        assert_eq!(names, ["a:@slow", "a", "a:t=2.5ms", "a:t=2ms", "a:t=10ms", "a:@fast"]);
    }
}
