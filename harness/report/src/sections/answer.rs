//! The answer, in three sentences: what came out, how sure it is, and what it holds for. A fourth where files are damaged.

use std::fmt::Write as _;

use handoff_analysis::{Comparison, Group as Cells, Metric, Verdict};
use handoff_model::list::{and, unique};

use crate::block::Block;
use crate::format;
use crate::provenance::{Images, images};
use crate::report::Report;

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut sentences: Vec<String> = purpose(report).into_iter().collect();
    match headline(report) {
        Some(cells) => {
            sentences.push(what(report, cells));
            sentences.push(how_sure(cells));
        }
        None if report.runs.iter().any(|r| !r.set_aside.is_empty()) => {
            sentences.push(String::from(
                "No row of a completed trial can be used, so that nothing can be said of any strategy.",
            ));
        }
        None => sentences.push("No trial completed, so that nothing can be said of any strategy.".to_owned()),
    }
    sentences.push(holds_for(report));
    let notes = report.runs.iter().map(|r| r.warnings.len()).sum::<usize>();
    if notes > 0 {
        let plural = if notes == 1 { "1 note" } else { &format!("{notes} notes") };
        sentences.push(format!("Reading the files of the runs left {plural}, below \"Left out while reading\"."));
    }
    sentences.into_iter().map(Block::Lead).collect()
}

/// What a run that declares no comparison is for, and whether it decides anything all the same; none where every run decides.
pub(crate) fn purpose(report: &Report) -> Option<String> {
    let mut sentences = unique(report.runs.iter().filter_map(|run| {
        let sentence = run.plan.request.purpose.sentence()?;
        Some(if report.runs.len() > 1 { format!("{}: {sentence}", run.name) } else { sentence.to_owned() })
    }));
    let mut families = report.analysis.groups.iter().flat_map(|g| g.families.iter().chain(&g.pairs)).peekable();
    let compared = families.peek().is_some();
    let mut pooled = report.analysis.pooled.iter().flat_map(|p| &p.comparisons);
    let nothing = families.all(|f| f.decidable == 0) && pooled.all(|c| c.verdict.inconclusive().is_some());
    if !sentences.is_empty() && compared && nothing {
        sentences.push("It decides nothing: no size has the rounds that a verdict needs.".to_owned());
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The group that the answer is about: the one with the most strategies that finished, of those the largest size.
fn headline(report: &Report) -> Option<&Cells> {
    let done = |g: &&Cells| g.cells.iter().filter(|c| c.n > 0 && !c.cell.control).count();
    let groups = report.analysis.groups.iter().filter(|g| done(g) > 0);
    // Of equals the first, so that the order of the groups decides and nothing else.
    groups.rev().max_by_key(|g| (done(g), g.key.size))
}

fn place(report: &Report, cells: &Cells) -> String {
    let mut text = format!("At {}", cells.key.size);
    let group = report.groups.iter().find(|g| g.conditions == cells.key.conditions && g.workload == cells.key.workload);
    let apart = group.map(|g| crate::table::apart(report, g)).filter(|a| !a.is_empty());
    if let Some(apart) = apart {
        let _ = write!(text, " ({apart})");
    }
    text
}

/// The shortest median, and the baseline's beside it.
fn what(report: &Report, cells: &Cells) -> String {
    let mut times: Vec<(u64, String, String)> = cells
        .cells
        .iter()
        .filter(|c| !c.cell.control && !report.variants().is_baseline(&c.cell.strategy))
        .filter_map(|c| {
            let spread = c.spread(Metric::CriticalPath)?;
            let text = format!("{} s (n = {})", format::time(Some(spread)), spread.n());
            Some((spread.median(), c.cell.strategy.to_string(), text))
        })
        .collect();
    times.sort();
    let baseline = cells.baseline(report.variants()).and_then(|c| c.spread(Metric::CriticalPath));
    let place = place(report, cells);
    let again = baseline.map(|s| format!("{} s (n = {})", format::time(Some(s)), s.n()));
    match (times.first(), again) {
        (Some((_, name, text)), Some(again)) => format!(
            "{place}, of the ways that share the image `{name}` has the smallest median critical path, {text}; building again in every \
             job has {again}."
        ),
        (Some((_, name, text)), None) => format!("{place}, `{name}` has the smallest median critical path, {text}."),
        (None, Some(again)) => format!("{place}, only building again in every job completed: {again}."),
        (None, None) => format!("{place}, nothing completed."),
    }
}

/// What the verdicts are, by word.
fn how_sure(cells: &Cells) -> String {
    let (Some(family), Some(reference)) = (cells.main_family(), &cells.reference) else {
        return "There is nothing to compare it with, so that no verdict is given.".to_owned();
    };
    let of = |word: &str| -> Vec<String> {
        let with = |c: &&Comparison| c.verdict.word() == word;
        family.comparisons.iter().filter(with).map(|c| format!("`{}`", c.strategy)).collect()
    };
    let mut parts = Vec::new();
    for word in ["faster", "slower", "equivalent", "inconclusive"] {
        let names = of(word);
        if !names.is_empty() {
            parts.push(format!("{word}: {}", and(&names)));
        }
    }
    let rounds = family.comparisons.iter().map(|c| c.pairs).max().unwrap_or(0);
    let mut text = format!(
        "Against `{reference}`, within {} and corrected for {}, the verdicts are {}",
        format::plural(rounds, "round", "rounds"),
        format::plural(family.size, "comparison", "comparisons"),
        parts.join("; ")
    );
    text.push_str(&missing(&family.comparisons));
    text.push('.');
    text
}

/// How many rounds are missing: the fewest of all that is open, and the most where one strategy takes more than the others.
fn missing(comparisons: &[Comparison]) -> String {
    let open = comparisons.iter().filter_map(|c| match &c.verdict {
        Verdict::Inconclusive(i) => {
            let rounds = i.rounds_at_least.max(i.rounds_estimated.unwrap_or(0));
            Some((rounds.saturating_sub(c.pairs), format!("`{}`", c.strategy)))
        }
        _ => None,
    });
    let open: Vec<(usize, String)> = open.filter(|(n, _)| *n > 0).collect();
    let (Some(fewest), Some(most)) = (open.iter().map(|(n, _)| *n).min(), open.iter().map(|(n, _)| *n).max()) else {
        return String::new();
    };
    let mut text = format!("; what is open takes at least {}", format::plural(fewest, "more round", "more rounds"));
    if most > fewest {
        let last: Vec<String> = open.into_iter().filter(|(n, _)| *n == most).map(|(_, name)| name).collect();
        let _ = write!(text, ", {} about {most}", and(&last));
    }
    text
}

/// What the numbers hold for.
fn holds_for(report: &Report) -> String {
    let failed: usize = report.cells().map(|c| c.failures.len()).sum();
    let failures = match failed {
        0 => String::new(),
        n => format!(
            " {} of the {} did not complete and enter no number.",
            n,
            format::plural(report.cells().map(handoff_analysis::CellSummary::trials).sum(), "trial", "trials")
        ),
    };
    let (simulated, real) = crate::provenance::profiles(report);
    let images = match images(report) {
        Images::Synthetic => "synthetic images",
        Images::User => "the image that was given",
        Images::Both => "the images that were measured",
    };
    let text = match (simulated.is_empty(), real) {
        (true, true) => "on GitHub's hosted runners on the days on which it was measured.",
        (false, true) => {
            "under the conditions named below, of which only profile `github` is GitHub's; all else is simulated on one machine."
        }
        _ => {
            "and simulated services on one machine, under the conditions named below; none of it was measured on a hosted \
             runner."
        }
    };
    format!("This holds for {images} {text}{failures}")
}
