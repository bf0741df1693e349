//! Scope of a verdict that covers less than the statement: judged sizes, levels of identity.

use std::collections::BTreeSet;

use handoff_model::ByteSize;
use handoff_model::list::{and, grouped};

use crate::claims::{Claim, IdentityLevel, Rule, Sizes};
use crate::identity::Finding;
use crate::judgement::{Evidence, Judgement};

/// Scope in words, and whether sizes of the statement are left open.
pub(super) fn of(claim: &Claim, evidence: &[Evidence], judgement: Judgement) -> (String, bool) {
    match &claim.rule {
        _ if judgement == Judgement::NotJudged => (String::new(), false),
        Rule::Identity { level: IdentityLevel::Image, .. } => (levels(evidence), false),
        _ if claim.conditions.sizes != Sizes::Any => sizes(evidence, judgement),
        _ => (String::new(), false),
    }
}

/// `for content, layers and config; the index differs where a store keeps one`.
fn levels(evidence: &[Evidence]) -> String {
    let found: Vec<Finding> = evidence.iter().filter_map(|e| e.index).collect();
    let is = |finding| found.iter().all(|f| *f == finding);
    let index = match () {
        () if found.is_empty() => "no row knows the index",
        () if is(Finding::Equal) => "the index is equal where a store keeps one",
        () if is(Finding::Different) => "the index differs where a store keeps one",
        () => "the index differs in some rows of stores that keep one",
    };
    format!("for {}; {index}", IdentityLevel::Image.words())
}

/// `at 1GiB; 2GiB and 3GiB: 2 of the 6 trials that an interval of 95 % needs`.
fn sizes(evidence: &[Evidence], judgement: Judgement) -> (String, bool) {
    let under: Vec<&Evidence> = evidence.iter().filter(|e| e.departures.is_empty()).collect();
    let at = |chosen: &dyn Fn(&Evidence) -> bool| -> BTreeSet<ByteSize> {
        under.iter().filter(|e| chosen(e)).map(|e| e.size).collect()
    };
    let agree = at(&|e| e.judgement == judgement);
    // Runs that contradict each other in both directions: every size that decides.
    let judged = if agree.is_empty() { at(&|e| e.decides()) } else { agree };
    let decided = at(&|e| e.decides());
    let mut text = format!("at {}", list(&judged));
    let open = at(&|e| !decided.contains(&e.size));
    for (why, sizes) in reasons_by_size(&under, &open) {
        text = format!("{text}; {}: {why}", list(&sizes));
    }
    (text, !open.is_empty())
}

/// Reasons why nothing is judged, size by size; none where all sizes share a reason or any size will do.
pub(super) fn open_sizes(claim: &Claim, evidence: &[Evidence]) -> Option<String> {
    let under: Vec<&Evidence> = evidence.iter().filter(|e| e.departures.is_empty()).collect();
    let reasons = reasons_by_size(&under, &under.iter().map(|e| e.size).collect());
    if claim.conditions.sizes == Sizes::Any || reasons.len() < 2 {
        return None;
    }
    let each: Vec<String> = reasons.iter().map(|(why, sizes)| format!("{}: {why}", list(sizes))).collect();
    Some(each.join("; "))
}

/// Reasons with the sizes that share them. Of several runs of one size, the reason of the one with the most trials.
fn reasons_by_size(under: &[&Evidence], sizes: &BTreeSet<ByteSize>) -> Vec<(String, Vec<ByteSize>)> {
    grouped(sizes.iter().map(|size| {
        let most = under.iter().filter(|e| e.size == *size).max_by_key(|e| e.n);
        (most.map(|e| e.why.clone()).unwrap_or_default(), *size)
    }))
}

fn list<'a>(sizes: impl IntoIterator<Item = &'a ByteSize>) -> String {
    and(&sizes.into_iter().map(ToString::to_string).collect::<Vec<_>>())
}
