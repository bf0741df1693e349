//! Answer in three sentences: the best way that shares the image, the best stock way, and the conditions.

use handoff_analysis::{CellSummary, Group as Cells, Metric, Variants};
use handoff_model::list::unique;

use crate::block::Block;
use crate::report::Report;
use crate::{factors, format, provenance};

/// Sentences of the answer; `groups` are those of the first screen, the one of the answer first.
pub(crate) fn blocks(report: &Report, groups: &[usize]) -> Vec<Block> {
    let mut sentences = Vec::new();
    match report.headline(|_| true) {
        Some(cells) => {
            sentences.push(best(report, cells));
            let others =
                groups.iter().skip(1).filter_map(|i| report.headline(|cells| report.group_of(cells) == Some(*i)));
            sentences.extend(others.map(|cells| best(report, cells)));
            sentences.extend(stock(report.variants(), cells));
            sentences.push(conditions(report, cells));
        }
        None if report.runs.iter().any(|r| !r.set_aside.is_empty()) => {
            sentences.push("No row of a completed trial can be used: nothing is known of any strategy.".to_owned());
        }
        None => sentences.push("No trial completed: nothing is known of any strategy.".to_owned()),
    }
    let count = |of: fn(&CellSummary) -> usize| report.cells().map(of).sum::<usize>();
    let (failed, all) = (count(|c| c.failures.len()), format::plural(count(CellSummary::trials), "trial", "trials"));
    if failed > 0 {
        sentences.push(format!("{failed} of {all} did not complete. The section \"Failures\" has the reasons."));
    }
    sentences.into_iter().map(Block::Lead).collect()
}

/// Purpose of runs that declare no comparison, and whether they decide anything; none where every run decides.
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

/// Median critical path of a cell, in ns and in words.
fn median(cell: &CellSummary) -> Option<(u64, String)> {
    let spread = cell.spread(Metric::CriticalPath)?;
    Some((spread.median(), format!("{} s", format::time(Some(spread)))))
}

/// Cell with the shortest median critical path of those that `wanted` takes; the baseline and the control are never taken.
fn shortest<'a>(
    variants: &Variants,
    cells: &'a Cells,
    wanted: impl Fn(&CellSummary) -> bool,
) -> Option<(&'a CellSummary, String)> {
    let shares = |c: &&CellSummary| !c.cell.control && !variants.is_baseline(&c.cell.strategy) && wanted(c);
    let all = cells.cells.iter().filter(shares).filter_map(|c| Some((median(c)?, c)));
    let ((_, time), cell) = all.min_by_key(|((ns, _), c)| (*ns, c.cell.strategy.to_string()))?;
    Some((cell, time))
}

/// Verdict on a cell against the baseline, in brackets.
fn verdict(variants: &Variants, cells: &Cells, cell: &CellSummary) -> String {
    let family = cells.main_family().into_iter().flat_map(|f| &f.comparisons);
    let mut found = family.filter(|c| c.strategy == cell.cell.strategy && variants.is_baseline(&c.reference));
    found.next().map_or(String::new(), |c| format!(" (verdict: {})", c.verdict.word()))
}

/// First words of the answer: the size with the conditions that differ, or the user's image.
fn subject(report: &Report, cells: &Cells) -> String {
    let size = cells.key.size;
    if let Some(name) = provenance::user_image(report) {
        return format!("For your image `{name}` ({size})");
    }
    let differences = report.group_of(cells).map(|i| factors::differences(report, &report.groups[i]));
    match differences.filter(|d| !d.is_empty()) {
        Some(differences) => format!("At {size} ({differences})"),
        None => format!("At {size}"),
    }
}

/// Sentence on the best way that shares the image, and on building again.
fn best(report: &Report, cells: &Cells) -> String {
    let (variants, subject) = (report.variants(), subject(report, cells));
    let again = cells.baseline(variants).and_then(|c| Some((&c.cell.strategy, median(c)?.1)));
    match (shortest(variants, cells, |_| true), again) {
        (Some((cell, time)), Some((baseline, again))) => format!(
            "{subject}, `{}` has the shortest median critical path of the ways that share the image: {time}, against {again} for \
             `{baseline}`{}.",
            cell.cell.strategy,
            verdict(variants, cells, cell)
        ),
        (Some((cell, time)), None) => {
            format!("{subject}, `{}` has the shortest median critical path: {time}.", cell.cell.strategy)
        }
        (None, Some((_, again))) => format!("{subject}, only building again in every job completed: {again}."),
        (None, None) => format!("{subject}, nothing completed."),
    }
}

/// Sentence on the best way that needs nothing from this project; none where no way completed.
fn stock(variants: &Variants, cells: &Cells) -> Option<String> {
    let (best, _) = shortest(variants, cells, |_| true)?;
    if !variants.is_ours(&best.cell.strategy) {
        return Some("It is a stock way: a workflow needs nothing from this project for it.".to_owned());
    }
    let (cell, time) = shortest(variants, cells, |c| !variants.is_ours(&c.cell.strategy))?;
    let verdict = verdict(variants, cells, cell).replace("verdict", "verdict against building again");
    Some(format!(
        "Of the stock ways, which need nothing from this project, `{}` has the shortest: {time}{verdict}.",
        cell.cell.strategy
    ))
}

/// Sentence on the conditions of the answer, and on the simulation.
fn conditions(report: &Report, cells: &Cells) -> String {
    let mut words = factors::words(&cells.key.conditions);
    if provenance::user_image(report).is_none() {
        words = format!("workload {}, {words}", cells.key.workload);
    }
    match provenance::profiles(report) {
        (simulated, true) if simulated.is_empty() => {
            format!("All trials ran on GitHub's hosted runners with GitHub's services: {words}.")
        }
        (_, true) => "Rows of profile `github` were measured on GitHub. The services and the network of all other rows are simulated \
                      on one machine."
            .to_owned(),
        _ => format!("GitHub's services and network are simulated on one machine: {words}. No trial ran on GitHub."),
    }
}
