//! Which strategy a team should use: the least of what it cares for, among those that its limits allow.

use handoff_model::{ByteSize, StrategySpec};
use serde::Serialize;

use crate::analysis::{Analysis, BASELINE};
use crate::decisions::{Cost, Parts, Store, cost};
use crate::fan_out::Basis;
use crate::group::{Group, GroupKey};
use crate::summary::CellSummary;
use crate::verdict::Verdict;

/// What is to be small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The time of all jobs together: what a bill is made of, and what other jobs wait for.
    Runner,
    /// What a push waits for.
    Wait,
}

/// A team's question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ask {
    /// Jobs that need the image.
    pub consumers: u32,
    /// Pushes a day.
    pub pushes_per_day: u32,
    /// Size of the image.
    pub image_size: ByteSize,
    /// How long the team's build takes; none: as long as the one that was measured.
    pub build_s: Option<f64>,
    /// What is to be small.
    pub goal: Goal,
    /// The plan whose artifact storage must not be exceeded; none: no such limit.
    pub plan: Option<String>,
}

/// One strategy in the light of the question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The strategy.
    pub strategy: StrategySpec,
    /// What a push waits for, in seconds.
    pub wait_s: f64,
    /// Time of all jobs, in seconds.
    pub runner_s: f64,
    /// Measured only where the group has this number of consumers, this size and the measured build.
    pub basis: Basis,
    /// What a month costs.
    pub cost: Cost,
    /// Why it is out, if so.
    pub excluded: Option<String>,
    #[serde(skip)]
    parts: Parts,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// The question.
    pub ask: Ask,
    /// The cells that it rests on.
    pub group: GroupKey,
    /// Factor by which times and bytes were scaled to the size asked for; 1: it was measured.
    pub scaled: f64,
    /// All strategies, the best first, those that are out last.
    pub candidates: Vec<Candidate>,
    /// What to know before taking it.
    pub notes: Vec<String>,
    /// What would change the answer.
    pub changes: Vec<String>,
}

impl Recommendation {
    /// The strategies that are not out, the best first.
    pub fn ranked(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|c| c.excluded.is_none())
    }

    /// The answer; none if everything is out.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.ranked().next()
    }

    /// The best strategy that shares the image.
    pub fn best_sharing(&self) -> Option<&Candidate> {
        self.ranked().find(|c| c.parts.shares)
    }
}

/// Answers from the group that fits best: completed strategies first, then the size nearest to the one asked for, then
/// few consumers, for models start from parts. None where nothing has completed. `bars` says why a strategy cannot be
/// the answer whatever was measured, if so: it is shown all the same, as one that is out.
pub fn recommend(
    analysis: &Analysis,
    ask: &Ask,
    fits: impl Fn(&GroupKey) -> bool,
    bars: impl Fn(&StrategySpec) -> Option<String>,
) -> Option<Recommendation> {
    let done = |g: &Group| g.cells.iter().filter(|c| usable(c)).count();
    let away = |g: &Group| (g.key.size.bytes().max(1) as f64 / ask.image_size.bytes().max(1) as f64).ln().abs();
    let group = analysis.groups.iter().filter(|g| fits(&g.key) && done(g) > 0).min_by(|a, b| {
        let key = |g: &Group| (std::cmp::Reverse(done(g)), g.key.conditions.consumers);
        (key(a).0).cmp(&key(b).0).then(away(a).total_cmp(&away(b))).then(key(a).1.cmp(&key(b).1))
    })?;
    let scaled = ask.image_size.bytes() as f64 / group.key.size.bytes().max(1) as f64;
    let mut candidates: Vec<Candidate> =
        group.cells.iter().filter(|c| usable(c)).filter_map(|c| candidate(analysis, group, c, ask, scaled)).collect();
    for candidate in &mut candidates {
        candidate.excluded = bars(&candidate.strategy).or(candidate.excluded.take());
    }
    sort(&mut candidates, ask.goal);
    let notes = notes(group, &candidates, scaled, analysis);
    let changes = changes(&candidates, ask);
    Some(Recommendation { ask: ask.clone(), group: group.key.clone(), scaled, candidates, notes, changes })
}

fn usable(cell: &CellSummary) -> bool {
    !cell.cell.control && cell.n > 0 && cell.samples.iter().all(|s| !s.contended)
}

fn candidate(analysis: &Analysis, group: &Group, cell: &CellSummary, ask: &Ask, scaled: f64) -> Option<Candidate> {
    let measured = Parts::of(cell)?;
    let sized = Parts {
        produce_s: measured.produce_s * scaled,
        consume_s: measured.consume_s * scaled,
        build_s: measured.build_s * scaled,
        ..measured
    };
    let parts = ask.build_s.map_or(sized, |b| sized.with_build(b));
    let as_measured =
        ask.build_s.is_none() && (scaled - 1.0).abs() < 1e-9 && ask.consumers == group.key.conditions.consumers;
    let store = analysis.options.stores.get(&cell.cell.strategy.name).copied().unwrap_or(Store::None);
    // Nobody counts the bytes that GitHub's own services hold: what they cost, and whether they fit, is then unknown.
    let bytes = cell.bytes_stored.as_ref().map(|bytes| (bytes.median() as f64 * scaled) as u64);
    let median = |s: Option<&crate::spread::Spread>| s.map(|s| s.median() as f64 / 1e9);
    let (wait_s, runner_s) = match (as_measured, median(cell.critical_path.as_ref()), median(cell.runner.as_ref())) {
        (true, Some(wait), Some(runner)) => (wait, runner),
        _ => (parts.wait_s(), parts.runner_s(ask.consumers)),
    };
    Some(Candidate {
        strategy: cell.cell.strategy.clone(),
        wait_s,
        runner_s,
        basis: if as_measured { Basis::Measured } else { Basis::Modelled },
        cost: cost(cell, parts, store, bytes, ask.consumers, ask.pushes_per_day, &analysis.options.prices),
        excluded: bytes.and_then(|bytes| excluded(analysis, ask, store, bytes)).or_else(|| broken(cell)),
        parts,
    })
}

fn broken(cell: &CellSummary) -> Option<String> {
    let failed = cell.failures.len();
    (failed > 0).then(|| format!("{failed} of its {} trials did not complete", cell.trials()))
}

fn excluded(analysis: &Analysis, ask: &Ask, store: Store, bytes: u64) -> Option<String> {
    let prices = &analysis.options.prices;
    let included = prices.cache.included_bytes;
    if store == Store::Cache && bytes > 0 && included > 0 {
        let commits = included / bytes;
        // An entry must outlive the workflow that made it: an hour is what a long one takes.
        if commits * 24 < u64::from(ask.pushes_per_day) || commits == 0 {
            return Some(format!("the cache holds {commits} commits, so that an entry is evicted within the hour"));
        }
    }
    let plan = ask.plan.as_deref().and_then(|name| prices.plan(name))?;
    let held = bytes * u64::from(ask.pushes_per_day) * u64::from(prices.artifact.retention_days);
    (store == Store::Artifact && held > plan.artifact_bytes).then(|| {
        format!(
            "a day's artifacts take {:.1} times the storage of plan {}",
            held as f64 / plan.artifact_bytes as f64,
            plan.name
        )
    })
}

fn value(parts: Parts, goal: Goal, consumers: u32) -> (f64, f64) {
    match goal {
        Goal::Runner => (parts.runner_s(consumers), parts.wait_s()),
        Goal::Wait => (parts.wait_s(), parts.runner_s(consumers)),
    }
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

fn notes(group: &Group, candidates: &[Candidate], scaled: f64, analysis: &Analysis) -> Vec<String> {
    let mut notes = Vec::new();
    if (scaled - 1.0).abs() >= 1e-9 {
        notes.push(format!(
            "scaled from {} by {}: times and bytes are taken to grow with the size",
            group.key.size,
            crate::number(scaled)
        ));
    }
    if candidates.iter().any(|c| c.basis == Basis::Modelled) {
        notes.push("modelled from medians of measured parts; runners are taken not to slow each other down".to_owned());
    }
    if let [first, second, ..] = candidates
        && second.excluded.is_none()
        && let Some(pairs) = &group.pairs
    {
        let of = |a, b| pairs.of(a, b);
        let comparison = of(&first.strategy, &second.strategy).or_else(|| of(&second.strategy, &first.strategy));
        match comparison.map(|c| &c.verdict) {
            Some(Verdict::Equivalent) => {
                notes.push(format!("{} and {} are equivalent on the critical path", first.strategy, second.strategy));
            }
            Some(Verdict::Inconclusive(missing)) => notes.push(format!(
                "{} and {} are not told apart on the critical path yet ({}): at least {} rounds",
                first.strategy,
                second.strategy,
                missing.why.words(),
                missing.rounds_at_least
            )),
            _ => {}
        }
    }
    notes.push(
        "minutes are priced as if a plan included none; standard runners of public repositories are free".to_owned(),
    );
    if analysis.options.prices.artifact.usd_per_gb_month.is_none() {
        notes.push("artifact storage has no price here: --prices FILE may name one".to_owned());
    }
    notes
}

/// More jobs than anybody's matrix holds, and more build than a job may take.
const MOST_CONSUMERS: u32 = 256;
const LONGEST_BUILD_S: u32 = 3_600;

fn changes(candidates: &[Candidate], ask: &Ask) -> Vec<String> {
    let in_play: Vec<&Candidate> = candidates.iter().filter(|c| c.excluded.is_none()).collect();
    let Some(chosen) = in_play.first() else {
        return vec!["every strategy is out: raise the limits, or push less".to_owned()];
    };
    let best = |consumers: u32, build_s: Option<f64>| {
        let at = |c: &Candidate| value(build_s.map_or(c.parts, |b| c.parts.with_build(b)), ask.goal, consumers);
        in_play.iter().min_by(|a, b| at(a).0.total_cmp(&at(b).0)).map(|c| &c.strategy)
    };
    let other = |winner: Option<&StrategySpec>| winner.filter(|w| **w != chosen.strategy).cloned();
    let mut changes = Vec::new();
    let fewer = (1..ask.consumers).rev().find_map(|n| Some((n, other(best(n, None))?)));
    let more = (ask.consumers + 1..=MOST_CONSUMERS).find_map(|n| Some((n, other(best(n, None))?)));
    changes.extend(
        fewer.map(
            |(n, s)| if n == 1 { format!("with a single job: {s}") } else { format!("with {n} jobs or fewer: {s}") },
        ),
    );
    changes.extend(more.map(|(n, s)| format!("with {n} jobs or more: {s}")));
    let build = chosen.parts.build_s;
    let shorter = (0..=build.floor().max(0.0) as u32)
        .rev()
        .find_map(|b| Some((b, other(best(ask.consumers, Some(f64::from(b))))?)));
    let longer = (build.ceil().max(0.0) as u32..=LONGEST_BUILD_S)
        .find_map(|b| Some((b, other(best(ask.consumers, Some(f64::from(b))))?)));
    changes.extend(shorter.map(|(b, s)| format!("with a build of {b} s or less: {s}")));
    changes.extend(longer.map(|(b, s)| format!("with a build of {b} s or more: {s}")));
    for (goal, words) in [(Goal::Runner, "time of all jobs"), (Goal::Wait, "waiting")] {
        let winner = in_play
            .iter()
            .min_by(|a, b| value(a.parts, goal, ask.consumers).0.total_cmp(&value(b.parts, goal, ask.consumers).0));
        if goal != ask.goal && winner.is_some_and(|w| w.strategy != chosen.strategy) {
            changes.extend(winner.map(|w| format!("if {words} is to be least: {}", w.strategy)));
        }
    }
    if changes.is_empty() {
        let rebuild =
            if chosen.strategy.name == BASELINE { " (no strategy that shares is ahead anywhere)" } else { "" };
        changes.push(format!("no number of jobs up to {MOST_CONSUMERS} and no build up to an hour{rebuild}"));
    }
    changes
}
