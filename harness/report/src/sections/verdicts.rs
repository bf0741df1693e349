//! Verdicts: every strategy against the reference, every pair, ranks, noise and drift.

use std::fmt::Write as _;

use handoff_analysis::{Comparison, Estimate, Family, Group as Cells, Known};

use super::group_heading;
use crate::block::Block;
use crate::format::{self, NONE};
use crate::grid::{Cell, Grid, Tone};
use crate::report::{Group, Line, Report};

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    if report.analysis.groups.iter().all(|g| g.families.is_empty()) {
        blocks.push(Block::Text(
            "There is no verdict, because no size has two strategies that can be compared.".to_owned(),
        ));
        return blocks;
    }
    let options = &report.analysis.options;
    blocks.push(Block::Text(format!(
        "An exact paired signed-rank test compares critical paths within rounds. Holm's method corrects the comparisons of a table \
         together, for an error of at most {} %. The smallest effect that matters is {}. A strategy is `faster` or `slower` if the sign of \
         the difference is sure and the estimate exceeds that effect. It is `equivalent` if the whole interval lies within that effect. \
         All else is `inconclusive`, with the number of rounds needed. Below 0 is faster. A rank such as 2–7 is the best and the worst \
         rank that the verdicts of its table allow.",
        options.alpha * 100.0,
        options.smallest_effect
    )));
    for group in &report.groups {
        let sizes: Vec<(usize, &Cells)> =
            (0..group.sizes.len()).filter_map(|i| Some((i, report.analysed(group, i)?))).collect();
        if sizes.iter().all(|(_, cells)| cells.families.is_empty()) {
            continue;
        }
        blocks.extend(group_heading(report, group));
        blocks.push(Block::Table(matrix(group, &sizes)));
        blocks.extend(circumstances(&sizes));
        for (_, cells) in &sizes {
            for (i, family) in cells.families.iter().enumerate() {
                blocks.extend(details(group, cells, family, i > 0));
            }
            blocks.extend(pairs(group, cells));
        }
    }
    blocks
}

/// Table of one row a strategy, one column a size.
fn matrix(group: &Group, sizes: &[(usize, &Cells)]) -> Grid {
    let mut grid = Grid::new("Approach");
    for (_, cells) in sizes {
        let against = cells.reference.as_ref().map_or(String::new(), |r| format!(" against {r}"));
        grid.columns.push((format!("{}{against}", cells.key.size), false));
        grid.columns.push((format!("Rank at {}", cells.key.size), true));
    }
    for line in group.lines.iter().filter(|l| !l.control) {
        let rank = |cells: &Cells| cells.rank_range(&line.spec).map_or_else(|| NONE.to_owned(), ToString::to_string);
        grid.push_line(line, sizes.iter().flat_map(|(i, cells)| [verdict(line, *i, cells), rank(cells).into()]));
    }
    grid
}

fn verdict(line: &Line, i: usize, cells: &Cells) -> Cell {
    if cells.reference.as_ref() == Some(&line.spec) {
        return Cell::toned("reference", Tone::Open);
    }
    let compared = cells.main_family().and_then(|f| f.comparisons.iter().find(|c| c.strategy == line.spec));
    match compared {
        Some(comparison) => described(comparison),
        None if line.cells[i].as_ref().is_some_and(|c| c.n == 0) => Cell::toned("nothing completed", Tone::Bad),
        None => Cell::toned("not compared", Tone::Open),
    }
}

/// Verdict with its estimate: `slower, +5.0 s [3.1 to 7.0]`; with the reason where it is inconclusive.
fn described(comparison: &Comparison) -> Cell {
    let mut text = comparison.verdict.word().to_owned();
    if let Some(shift) = &comparison.shift_s {
        let _ = write!(text, ", {} s", estimate(shift, |v| format::sign(v, 1)));
    }
    if let Some(open) = comparison.verdict.inconclusive() {
        let _ = write!(text, ": {}", open.why.words());
        let needed = open.rounds_at_least.max(open.rounds_estimated.unwrap_or(0));
        if needed > comparison.pairs {
            let _ = write!(text, " ({} of {needed} rounds)", comparison.pairs);
        }
    }
    Cell::toned(text, Tone::of(&comparison.verdict))
}

fn estimate(e: &Estimate, show: impl Fn(f64) -> String) -> String {
    match (e.low, e.high) {
        (None, None) => format!("{} [no interval]", show(e.value)),
        (low, high) => {
            let end = |v: Option<f64>| v.map_or("unbounded".to_owned(), &show);
            format!("{} [{} to {}]", show(e.value), end(low), end(high))
        }
    }
}

/// Statistics of the verdicts of one family.
fn details(group: &Group, cells: &Cells, family: &Family, on_request: bool) -> Vec<Block> {
    let Some(reference) = &cells.reference else { return Vec::new() };
    let mut grid = Grid::new(
        "Approach | Verdict | Shift, s [interval]: | Ratio [interval]: | p: | p after Holm: | \
         Level of the intervals, %: | Rounds compared: | Smallest effect, s:",
    );
    for line in group.lines.iter().filter(|l| !l.control) {
        let Some(c) = family.of(&line.spec, reference) else { continue };
        let texts = [
            c.shift_s.as_ref().map_or(NONE.to_owned(), |e| estimate(e, |v| format::sign(v, 2))),
            c.ratio.as_ref().map_or(NONE.to_owned(), |e| estimate(e, |v| format!("{v:.3}"))),
            c.p.map_or(NONE.to_owned(), |p| format!("{p:.4}")),
            c.p_adjusted.map_or(NONE.to_owned(), |p| format!("{p:.4}")),
            format!("{:.2}", (1.0 - c.level) * 100.0),
            c.pairs.to_string(),
            format!("{:.1}", c.smallest_effect_s),
        ];
        let verdict = Cell::toned(c.verdict.word(), Tone::of(&c.verdict));
        grid.push_line(line, [verdict].into_iter().chain(texts.map(Cell::from)));
    }
    if grid.rows.is_empty() {
        return Vec::new();
    }
    let asked = if on_request { ", a separate family on request" } else { "" };
    let title = format!("Against {reference} at {}: {}{asked}", cells.key.size, family.metric.words());
    vec![Block::Heading(4, title), Block::Table(grid)]
}

/// Table of every pair, row against column.
fn pairs(group: &Group, cells: &Cells) -> Vec<Block> {
    let Some(family) = &cells.pairs else { return Vec::new() };
    let lines: Vec<&Line> = group
        .lines
        .iter()
        .filter(|l| !l.control && family.comparisons.iter().any(|c| c.strategy == l.spec || c.reference == l.spec))
        .collect();
    if lines.len() < 3 {
        return Vec::new();
    }
    let mut grid = Grid::new("Row against column");
    grid.columns.extend(lines.iter().map(|l| (l.name.clone(), false)));
    for row in &lines {
        grid.push_line(row, lines.iter().map(|column| pair(cells, family, row, column)));
    }
    let mut text = format!(
        "The {} are corrected together. A decision on a pair needs at least {}.",
        format::plural(family.size, "pair", "pairs"),
        format::plural(family.rounds_needed, "round", "rounds"),
    );
    if let Some(reference) = &cells.reference {
        let _ = write!(text, " A pair with a verdict against `{reference}` has the same verdict here.");
    }
    if family.decidable == 0 {
        let rounds = format::plural(cells.rounds(), "round", "rounds");
        let _ = write!(text, " With {rounds} no other pair can be decided, so that its shift has no verdict.");
    }
    vec![Block::Heading(4, format!("Every pair at {}", cells.key.size)), Block::Text(text), Block::Table(grid)]
}

/// Verdict on a pair by all families of the group, with its shift; the shift alone where no pair can be decided.
fn pair(cells: &Cells, family: &Family, row: &Line, column: &Line) -> Cell {
    if row.spec == column.spec {
        return NONE.into();
    }
    let straight = family.of(&row.spec, &column.spec).map(|c| (c, 1.0));
    let Some((comparison, sign)) = straight.or_else(|| family.of(&column.spec, &row.spec).map(|c| (c, -1.0))) else {
        return Cell::toned("not compared", Tone::Open);
    };
    let shift =
        comparison.shift_s.as_ref().map_or(String::new(), |e| format!(" {} s", format::sign(e.value * sign, 1)));
    let (word, tone) = match cells.known(&row.spec, &column.spec).0 {
        Known::Ahead => ("faster", Tone::Good),
        Known::Behind => ("slower", Tone::Bad),
        Known::Equivalent => ("equivalent", Tone::Same),
        Known::Open if family.decidable == 0 && !shift.is_empty() => ("", Tone::Open),
        Known::Open => ("inconclusive", Tone::Open),
    };
    Cell::toned(format!("{word}{shift}").trim(), tone)
}

/// Sentence on the families that the rounds of a size can decide; none where nothing is compared.
fn rounds(cells: &Cells) -> Option<String> {
    let (family, reference) = (cells.main_family()?, cells.reference.as_ref()?);
    let head = format!("The {} at {}", format::plural(cells.rounds(), "round", "rounds"), cells.key.size);
    let needed = family.rounds_needed;
    if family.size == 1 {
        let can = if family.decidable == 1 { "can" } else { "cannot" };
        return Some(format!("{head} {can} decide the comparison with `{reference}` ({needed} needed)."));
    }
    let count = |f: &Family, of: &str| match f.decidable {
        0 => format!("none of the {} {of} ({} needed)", f.size, f.rounds_needed),
        n if n == f.size => format!("all {n} {of} ({} needed)", f.rounds_needed),
        n => format!("{n} of the {} {of} ({} needed)", f.size, f.rounds_needed),
    };
    let against = count(family, &format!("comparisons with `{reference}`"));
    let pairs = cells.pairs.as_ref().filter(|f| f.size > 1);
    let pairs = pairs.map_or(String::new(), |f| format!(" and {}", count(f, "pairs")));
    Some(format!("{head} can decide {against}{pairs}."))
}

/// Rounds, noise, drift, and strategies without a rank.
fn circumstances(sizes: &[(usize, &Cells)]) -> Vec<Block> {
    let mut notes = Vec::new();
    for (_, cells) in sizes {
        let size = cells.key.size;
        notes.extend(rounds(cells));
        if let Some(noise) = &cells.noise {
            notes.push(format!(
                "Noise floor at {size}: two trials of `{}` in the same round differ by up to {:.1} s ({} compared). A smaller \
                 difference is inconclusive.",
                noise.strategy,
                noise.floor_s,
                format::plural(noise.pairs, "round", "rounds")
            ));
        }
        for (strategies, why) in [
            (&cells.ranking.unranked, "not every trial completed"),
            (&cells.ranking.contradicted, "verdicts contradict each other"),
        ] {
            let names: Vec<String> = strategies.iter().map(|s| format!("`{s}`")).collect();
            if !names.is_empty() {
                notes.push(format!("No rank at {size}, because {why}: {}.", names.join(", ")));
            }
        }
        for drift in cells.drift.iter().filter(|d| d.drifts) {
            let rate =
                drift.per_round.map_or(String::new(), |r| format!(" by {} % a round", format::sign(r * 100.0, 1)));
            notes.push(format!(
                "The machine drifted over the rounds of {} at {size}{rate}. Comparisons within rounds cancel most of the drift.",
                drift.run
            ));
        }
    }
    if sizes.iter().all(|(_, c)| c.noise.is_none()) {
        notes.push(String::from("There is no noise floor, because the run has no control trials (`--control`). Verdicts rest on the exact test and the \
             smallest effect alone."));
    }
    vec![Block::List(notes)]
}
