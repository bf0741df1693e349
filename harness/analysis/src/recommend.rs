//! Recommendation for a team: the strategy with the smallest time, among those that its limits allow.

use handoff_model::trigger::{Start, Trigger};
use handoff_model::{Builder, Storage, StrategySpec};
use serde::Serialize;

use crate::analysis::Analysis;
use crate::candidate::{Candidate, Goal, TeamQuestion};
use crate::changes::{Answer, changes};
use crate::contest::{Decision, Undecided, choose};
use crate::decisions::{Parts, cost};
use crate::fan_out::CurveBasis;
use crate::group::{Group, GroupKey};
use crate::judgement::WorkflowSize;
use crate::number::number;
use crate::one_job::{OneJob, one_job};
use crate::spread::Spread;
use crate::summary::CellSummary;
use crate::verdict::Comparison;

/// Recommended strategy, with the question, the reasons and the alternatives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// Doubt about the answer, which a reader must know first; none where verdicts confirm it.
    pub undecided: Option<Undecided>,
    /// Recommended strategy; none if every strategy is excluded.
    pub chosen: Option<StrategySpec>,
    /// Next best strategy; the one with the smallest estimate where a simpler one is recommended.
    pub runner_up: Option<StrategySpec>,
    /// One job that builds and checks, modelled, against the recommended strategy; none for a single job or without `rebuild`.
    pub one_job: Option<OneJob>,
    /// Reasons for the choice.
    pub reasons: Vec<String>,
    /// Question.
    pub ask: TeamQuestion,
    /// Group of cells that the answer rests on.
    pub group: GroupKey,
    /// Factor by which times and bytes were scaled to the size asked for; 1: it was measured.
    pub scaled: f64,
    /// All strategies, the best first, excluded ones last.
    pub candidates: Vec<Candidate>,
    /// Assumptions of the answer.
    pub notes: Vec<String>,
    /// Changes of the question that change the answer.
    pub changes: Vec<String>,
    /// Candidates that are not excluded, each against the one with the smallest estimate, corrected together.
    pub comparisons: Vec<Comparison>,
}

/// Recommends a strategy from the group that fits best; none where no trial has completed.
///
/// The best group has the most completed strategies, then the nearest size, then the builder that workflows create, then the
/// fewest consumers, because models start from parts. `workflow` gives the effort of a variant's workflow, or why there is
/// none: such a strategy is listed as excluded.
pub fn recommend(
    analysis: &Analysis,
    ask: &TeamQuestion,
    fits: impl Fn(&GroupKey) -> bool,
    workflow: impl Fn(&GroupKey, &CellSummary) -> Result<WorkflowSize, String>,
) -> Option<Recommendation> {
    let done = |g: &Group| g.cells.iter().filter(|c| c.is_usable()).count();
    let away = |g: &Group| (g.key.size.bytes().max(1) as f64 / ask.image_size.bytes().max(1) as f64).ln().abs();
    let group = analysis.groups.iter().filter(|g| fits(&g.key) && done(g) > 0).min_by(|a, b| {
        let builder = |g: &Group| g.key.conditions.builder != Builder::DockerContainer;
        let consumers = |g: &Group| g.key.conditions.consumers;
        let done = done(b).cmp(&done(a));
        done.then(away(a).total_cmp(&away(b))).then(builder(a).cmp(&builder(b))).then(consumers(a).cmp(&consumers(b)))
    })?;
    let scaled = ask.image_size.bytes() as f64 / group.key.size.bytes().max(1) as f64;
    // What a workflow takes does not depend on the question.
    let cells = group.cells.iter().filter(|c| c.is_usable());
    let cells: Vec<CellWithWorkflow> = cells.map(|c| (c, workflow(&group.key, c))).collect();
    let (candidates, decision) = answer(analysis, group, &cells, ask, scaled);
    let of = |(candidates, decision): (Vec<Candidate>, Decision)| Answer {
        smallest_effect_s: decision.comparisons.first().map_or(0.0, |c| c.smallest_effect_s),
        chosen: decision.chosen,
        candidates,
    };
    let changes = changes(&of((candidates.clone(), decision.clone())), ask, |changed| {
        of(answer(analysis, group, &cells, changed, scaled))
    });
    let one_job = one_job(&candidates, decision.chosen.as_ref(), ask);
    let mut notes = notes(group, &candidates, scaled, analysis, ask);
    notes.extend(one_job.iter().flat_map(|o| o.assumptions(ask)));
    Some(Recommendation {
        undecided: decision.undecided,
        chosen: decision.chosen,
        runner_up: decision.runner_up,
        one_job,
        reasons: decision.reasons,
        ask: ask.clone(),
        group: group.key.clone(),
        scaled,
        notes,
        changes,
        candidates,
        comparisons: decision.comparisons,
    })
}

/// Cell with the size of its workflow, or why it has no workflow.
type CellWithWorkflow<'a> = (&'a CellSummary, Result<WorkflowSize, String>);

/// Sorted candidates for a question, and the choice among them.
fn answer(
    analysis: &Analysis,
    group: &Group,
    cells: &[CellWithWorkflow<'_>],
    ask: &TeamQuestion,
    scaled: f64,
) -> (Vec<Candidate>, Decision) {
    let mut candidates = Vec::new();
    for (cell, workflow) in cells {
        let Some(mut candidate) = candidate(analysis, group, cell, ask, scaled) else { continue };
        match workflow {
            Ok(size) => candidate.workflow = Some(size.clone()),
            Err(why) => candidate.excluded = Some(why.clone()),
        }
        candidates.push(candidate);
    }
    sort(&mut candidates, ask.goal);
    let decision = choose(group, &candidates, ask, &analysis.options);
    (candidates, decision)
}

fn candidate(
    analysis: &Analysis,
    group: &Group,
    cell: &CellSummary,
    ask: &TeamQuestion,
    scaled: f64,
) -> Option<Candidate> {
    let measured = Parts::of(cell)?;
    let scaled_parts = Parts {
        produce_s: measured.produce_s * scaled,
        consume_s: measured.consume_s * scaled,
        build_s: measured.build_s * scaled,
        ..measured
    };
    let parts = ask.build_s.map_or(scaled_parts, |b| scaled_parts.with_build(b));
    let as_measured =
        ask.build_s.is_none() && (scaled - 1.0).abs() < 1e-9 && ask.consumers == group.key.conditions.consumers;
    let store = analysis.variants.get(&cell.cell.strategy).map_or(Storage::None, |f| f.storage);
    // Nobody counts the bytes that GitHub's own services hold: what they cost, and whether they fit, is then unknown.
    let bytes = cell.bytes_stored.as_ref().map(|bytes| (bytes.median() as f64 * scaled) as u64);
    let median = |s: &Option<Spread>| s.as_ref().map(Spread::median_s);
    let (wait_s, runner_s) = match (as_measured, median(&cell.critical_path), median(&cell.runner)) {
        (true, Some(wait), Some(runner)) => (wait, runner),
        _ => (parts.wait_s(), parts.runner_s(ask.consumers)),
    };
    Some(Candidate {
        strategy: cell.cell.strategy.clone(),
        wait_s,
        runner_s,
        basis: if as_measured { CurveBasis::Measured } else { CurveBasis::Modelled },
        cost: cost(cell, parts, store, bytes, ask.consumers, ask.pushes_per_day, &analysis.options.prices),
        workflow: None,
        excluded: rebuilds(ask, parts)
            .or_else(|| ask.start.denies_cache().filter(|_| store == Storage::Cache))
            .or_else(|| bytes.and_then(|bytes| excluded(analysis, ask, store, bytes)))
            .or_else(|| broken(cell)),
        parts,
        scaled_parts,
        scale: scaled,
    })
}

fn rebuilds(ask: &TeamQuestion, parts: Parts) -> Option<String> {
    (ask.sharing && !parts.shares).then(|| "it shares no image, and --sharing excludes rebuilding".to_owned())
}

fn broken(cell: &CellSummary) -> Option<String> {
    let failed = cell.failures.len();
    (failed > 0).then(|| format!("{failed} of its {} trials did not complete", cell.trials()))
}

fn excluded(analysis: &Analysis, ask: &TeamQuestion, store: Storage, bytes: u64) -> Option<String> {
    let prices = &analysis.options.prices;
    let included = prices.cache.included_bytes;
    if store == Storage::Cache && bytes > 0 && included > 0 {
        let commits = included / bytes;
        // An entry must outlive the workflow that made it: an hour is what a long one takes.
        if commits * 24 < u64::from(ask.pushes_per_day) || commits == 0 {
            return Some(format!("the cache holds {commits} commits, so an entry is evicted within the hour"));
        }
    }
    let plan = ask.plan.as_deref().and_then(|name| prices.plan(name))?;
    let held = bytes * u64::from(ask.pushes_per_day) * u64::from(prices.artifact.retention_days);
    (store == Storage::Artifact && held > plan.artifact_bytes).then(|| {
        let times = held as f64 / plan.artifact_bytes as f64;
        let times = if times < 1.05 { "just over".to_owned() } else { format!("{times:.1} times") };
        format!("a day's artifacts take {times} the storage of plan {}", plan.name)
    })
}

fn sort(candidates: &mut [Candidate], goal: Goal) {
    let key = |c: &Candidate| match goal {
        Goal::Runner => (c.runner_s, c.wait_s),
        Goal::Wait => (c.wait_s, c.runner_s),
    };
    candidates.sort_by(|a, b| {
        let (x, y) = (key(a), key(b));
        a.excluded.is_some().cmp(&b.excluded.is_some()).then(x.0.total_cmp(&y.0)).then(x.1.total_cmp(&y.1))
    });
}

fn notes(group: &Group, candidates: &[Candidate], scaled: f64, analysis: &Analysis, ask: &TeamQuestion) -> Vec<String> {
    let mut notes: Vec<String> = scope_note(ask.start).into_iter().collect();
    if (scaled - 1.0).abs() >= 1e-9 {
        notes.push(format!(
            "Scaled from {} by {}, assuming that times and bytes grow with the size",
            group.key.size,
            number(scaled)
        ));
    }
    if candidates.iter().any(|c| c.basis == CurveBasis::Modelled) {
        notes.push("Modelled from medians of parts, assuming that runners do not slow each other down".to_owned());
    }
    notes.push(
        "Minutes are priced as if a plan included none; standard runners of public repositories are free".to_owned(),
    );
    if analysis.options.prices.artifact.usd_per_gb_month.is_none() {
        notes.push("Artifact storage has no price: give one with --prices FILE".to_owned());
    }
    notes
}

/// Note on the cache scope of a trigger that does not save for the branch.
fn scope_note(start: Start) -> Option<String> {
    let scope = match start.trigger? {
        Trigger::PullRequest => {
            "the scope of refs/pull/N/merge, also those of a fork's pull request. All jobs of a run share it"
        }
        Trigger::MergeGroup => "the scope of the merge queue's branch. All jobs of a run share it",
        _ => return None,
    };
    Some(format!("Cache entries go to {scope}, so the hand-over works; no other branch finds them"))
}
