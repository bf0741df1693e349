//! Statements that need no trial: limits, workflows, documentation.

use handoff_model::{Storage, StrategySpec};

use super::trials::Trials;
use crate::claims::{Claim, Quantity, Rule};
use crate::judgement::{Evidence, Judgement, Measured, Unit, WorkflowSize};
use crate::number::number;
use crate::options::Options;
use crate::spread::Spread;
use crate::variants::Variants;

/// Verdict of a statement that needs no evidence of its own; none for the others.
pub(super) fn fact(
    claim: &Claim,
    runs: &[Trials<'_>],
    variants: &Variants,
    options: &Options,
    workflows: &[WorkflowSize],
) -> Option<(Judgement, String)> {
    match &claim.rule {
        Rule::Limit { strategy, store } => Some(limit(claim, runs, strategy, *store, variants, options)),
        Rule::Complexity { strategy } => Some(complexity(strategy, workflows)),
        Rule::ThirdParty { strategy, beyond } => Some(third_party(strategy, beyond, workflows)),
        Rule::Documented { source, fact, confirms } => {
            let judgement = if *confirms { Judgement::AsClaimed } else { Judgement::NotAsClaimed };
            Some((judgement, format!("{fact} ({source})")))
        }
        Rule::OutOfReach { reason } => Some((Judgement::NotJudged, reason.clone())),
        _ => None,
    }
}

/// A limit is a fact of the service: as claimed if the strategy keeps its bytes where the statement says.
fn limit(
    claim: &Claim,
    runs: &[Trials<'_>],
    strategy: &StrategySpec,
    claimed: Storage,
    variants: &Variants,
    options: &Options,
) -> (Judgement, String) {
    let Some(store) = variants.get(strategy).map(|f| f.storage) else {
        return (Judgement::NotJudged, "the storage of the strategy is unknown".to_owned());
    };
    if store != claimed {
        return (Judgement::NotAsClaimed, "the strategy stores its bytes in the other service".to_owned());
    }
    if store != Storage::Cache {
        let text = format!("artifacts count against the plan's storage ({})", options.prices.artifact.source);
        return (Judgement::AsClaimed, text);
    }
    let included = options.prices.cache.included_bytes;
    let gb = number(included as f64 / 1e9);
    let mut text = format!("{gb} GB are included ({}), more can be bought", options.prices.cache.source);
    let images = |e: Evidence| Some((e.size, included / e.measured?.median as u64));
    let mut fit: Vec<_> = stored_bytes(claim, runs, strategy).into_iter().filter_map(images).collect();
    fit.sort_unstable();
    // Of several runs of one size the fewest.
    fit.dedup_by_key(|(size, _)| *size);
    if !fit.is_empty() {
        let fit: Vec<String> = fit.iter().map(|(size, n)| format!("{n} images of {size}")).collect();
        text = format!("{text}; the limit holds {}", fit.join(", "));
    }
    (Judgement::AsClaimed, text)
}

/// Evidence beside a fact: the bytes that count against a limit of the cache.
pub(super) fn stored(claim: &Claim, runs: &[Trials<'_>], variants: &Variants) -> Vec<Evidence> {
    match &claim.rule {
        Rule::Limit { strategy, store: Storage::Cache }
            if variants.get(strategy).is_some_and(|f| f.storage == Storage::Cache) =>
        {
            stored_bytes(claim, runs, strategy)
        }
        _ => Vec::new(),
    }
}

/// Bytes stored under the recipe, run by run.
fn stored_bytes(claim: &Claim, runs: &[Trials<'_>], strategy: &StrategySpec) -> Vec<Evidence> {
    let mut all = Vec::new();
    for run in runs {
        let cells = run.cells(strategy, &claim.conditions);
        for (cell, rows) in cells.into_iter().filter(|(c, _)| claim.conditions.departures(c).is_empty()) {
            let stored = Spread::of(rows.iter().filter_map(|r| run.value(r, Quantity::BytesStored)));
            if let Some(spread) = stored.filter(|s| s.median() > 0) {
                let measured = Some(Measured::of(&spread, Unit::Bytes, 1.0));
                all.push(Evidence { measured, ..Evidence::of(run.run, cell, spread.n()) });
            }
        }
    }
    all
}

/// Number of images of a size that the cache's limit holds.
pub(super) fn fits(
    claim: &Claim,
    run: &Trials<'_>,
    strategy: &StrategySpec,
    at_most: u64,
    options: &Options,
) -> Vec<Evidence> {
    run.judge_cells(claim, strategy, |cell, rows| {
        let stored = rows.iter().filter_map(|r| run.value(r, Quantity::BytesStored)).filter(|b| *b > 0);
        let spread = Spread::of(stored.map(|b| options.prices.cache.included_bytes / b))?;
        let measured = Some(Measured::of(&spread, Unit::Count, 1.0));
        let judgement = if spread.max() <= at_most { Judgement::AsClaimed } else { Judgement::NotAsClaimed };
        Some(Evidence { measured, ..Evidence::of(run.run, cell, spread.n()) }.judged(judgement))
    })
}

/// Size of a workflow: counted, not judged, because "low" has no scale.
fn complexity(strategy: &StrategySpec, workflows: &[WorkflowSize]) -> (Judgement, String) {
    let Some(w) = workflows.iter().find(|w| w.strategy == strategy.name) else {
        return (Judgement::NotJudged, "the spike gives no scale, and the workflow was not counted".to_owned());
    };
    let beyond = match w.actions.as_slice() {
        [] => "only actions of GitHub".to_owned(),
        some => format!("actions beyond those of GitHub: {}", some.join(", ")),
    };
    (Judgement::NotJudged, format!("the spike gives no scale; counted: {} steps, {} lines, {beyond}", w.steps, w.lines))
}

/// Third-party actions that another strategy's workflow does without: every workflow of the five builds by Docker's actions.
fn third_party(strategy: &StrategySpec, beyond: &StrategySpec, workflows: &[WorkflowSize]) -> (Judgement, String) {
    let of = |spec: &StrategySpec| workflows.iter().find(|w| w.strategy == spec.name).map(|w| &w.third_party_actions);
    let (Some(actions), Some(others)) = (of(strategy), of(beyond)) else {
        return (Judgement::NotJudged, "the workflow was not counted".to_owned());
    };
    let more: Vec<&str> = actions.iter().filter(|a| !others.contains(a)).map(String::as_str).collect();
    if more.is_empty() {
        let text = format!("the workflow has no third-party actions beyond those of `{beyond}`");
        return (Judgement::NotAsClaimed, text);
    }
    (Judgement::AsClaimed, format!("the workflow uses {}, and that of `{beyond}` does not", more.join(", ")))
}
