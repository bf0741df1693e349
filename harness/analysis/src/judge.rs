//! Judges the spike's statements by the rows of runs, each run by itself.

mod counts;
mod facts;
mod only_one;
mod pairs;
mod reasons;
mod scope;
mod times;
mod trials;

use handoff_model::list::unique;
use trials::Trials;

use crate::claims::{Claim, Claims, Rule};
use crate::input::RunRows;
use crate::judgement::{Evidence, JudgedClaim, Judgement, WorkflowSize};
use crate::options::Options;
use crate::variants::Variants;

/// Every statement with its verdict.
///
/// Rows of several runs are never pooled: a run is one piece of evidence, so that machines and versions do not mix.
/// `workflows` holds what was counted in the generated workflows; empty: not counted here.
pub fn judge(runs: &[RunRows<'_>], options: &Options, claims: &Claims, workflows: &[WorkflowSize]) -> Vec<JudgedClaim> {
    let variants = Variants::of(runs.iter().map(|r| r.facts));
    let runs: Vec<Trials<'_>> = runs.iter().map(Trials::new).collect();
    let one = |claim: &Claim| {
        let approach = claims.approaches.iter().find(|a| a.option == claim.option);
        let strategy = approach.map_or("", |a| &a.strategy);
        if let Some((judgement, reason)) = facts::fact(claim, &runs, &variants, options, workflows) {
            let evidence = facts::stored(claim, &runs, &variants);
            return JudgedClaim { evidence, ..JudgedClaim::new(claim, strategy, judgement, reason) };
        }
        let evidence: Vec<Evidence> = runs.iter().flat_map(|run| evidence(claim, run, options)).collect();
        let (judgement, reason) = conclude(claim, &evidence);
        let (scope, is_partial) = scope::of(claim, &evidence, judgement);
        JudgedClaim { scope, is_partial, evidence, ..JudgedClaim::new(claim, strategy, judgement, reason) }
    };
    claims.claims.iter().map(one).collect()
}

/// Evidence of one run on a statement.
fn evidence(claim: &Claim, run: &Trials<'_>, options: &Options) -> Vec<Evidence> {
    match &claim.rule {
        Rule::Time { .. } | Rule::Rate { .. } => times::evidence(claim, run),
        Rule::Ratio { .. } | Rule::Slowest { .. } => pairs::evidence(claim, run),
        Rule::Fits { strategy, at_most } => facts::fits(claim, run, strategy, *at_most, options),
        _ => counts::evidence(claim, run),
    }
}

/// One verdict from all evidence.
fn conclude(claim: &Claim, evidence: &[Evidence]) -> (Judgement, String) {
    use Judgement::{AsClaimed, FasterThanClaimed, NotAsClaimed, NotJudged, SlowerThanClaimed};
    let decisive: Vec<&Evidence> = evidence.iter().filter(|e| e.decides()).collect();
    let has = |judgement| decisive.iter().any(|e| e.judgement == judgement);
    let judgement = match (has(SlowerThanClaimed), has(FasterThanClaimed)) {
        _ if decisive.is_empty() => return (NotJudged, why_not(claim, evidence)),
        _ if claim.rule.is_enough_somewhere() && has(AsClaimed) => AsClaimed,
        // A statement of one set of conditions is as fast as where it is fastest.
        (_, true) if claim.rule.is_enough_somewhere() => FasterThanClaimed,
        (true, true) => NotAsClaimed,
        _ if has(NotAsClaimed) => NotAsClaimed,
        (true, false) => SlowerThanClaimed,
        (false, true) => FasterThanClaimed,
        (false, false) => AsClaimed,
    };
    (judgement, because(&decisive, judgement))
}

/// Reason of a verdict: differing evidence piece by piece, then the notes on numbers.
fn because(decisive: &[&Evidence], judgement: Judgement) -> String {
    let differ = decisive.iter().any(|e| e.judgement != judgement);
    let each = decisive.iter().filter(|_| differ);
    let each = each.map(|e| format!("{} at {} under {}", e.judgement.words(), e.size, e.conditions.profile_and_disk()));
    // A note without a number is what was measured, and is shown as that.
    let notes = decisive.iter().filter(|e| e.measured.is_some()).map(|e| e.note.clone());
    unique(each.chain(notes).filter(|text| !text.is_empty())).join("; ")
}

/// Reasons why nothing is judged: those of rows under the recipe, else the departures of all others.
fn why_not(claim: &Claim, evidence: &[Evidence]) -> String {
    if let Some(each) = scope::open_sizes(claim, evidence) {
        return each;
    }
    let why = |e: &&Evidence| !e.why.is_empty();
    let mut reasons = unique(evidence.iter().filter(|e| e.departures.is_empty()).filter(why).map(|e| e.why.as_str()));
    if reasons.is_empty() && matches!(claim.rule, Rule::OnlyOne { .. }) {
        // An experiment that tests nothing would not test more under the recipe.
        reasons = unique(evidence.iter().filter(why).map(|e| e.why.as_str()));
    }
    let departures = unique(evidence.iter().flat_map(|e| &e.departures).map(String::as_str));
    let is_under = evidence.iter().any(|e| e.departures.is_empty());
    match (&claim.preset, reasons.is_empty(), departures.is_empty()) {
        (_, false, _) if is_under => reasons.join("; "),
        (_, false, _) => format!("{}; measured with {}", reasons.join("; "), departures.join(", ")),
        (_, true, false) => format!("measured with {}", departures.join(", ")),
        (Some(preset), true, true) => format!("no run of the preset {preset} yet"),
        (None, true, true) => "no run has such trials".to_owned(),
    }
}
