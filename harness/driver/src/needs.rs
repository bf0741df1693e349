//! What a plan needs: disk, bytes moved, time. Rough on purpose, and told as such; the run itself refines the time.

use std::time::Duration;

use handoff_model::own::NEEDS_CONTEXT;
use handoff_model::{ByteSize, EngineKind, OwnImage, Plan, StrategySpec, Trial};

use crate::estimate::Estimator;

/// What is assumed of an image whose size is found and not asked for: the user's own.
pub const ASSUMED: ByteSize = ByteSize(ByteSize::GIB);

/// The size asked for, or assumed.
pub fn size(trial: &Trial) -> u64 {
    let size = trial.cell.size;
    if size == ByteSize::OWN { ASSUMED } else { size }.bytes()
}

/// Why a trial cannot run on the user's own image, if so: the plan leaves it out.
pub fn lacks_sources(own: Option<&OwnImage>, strategy: &StrategySpec) -> Option<&'static str> {
    let facts = handoff_strategies::find(strategy).ok()?.facts();
    let lacks = own.is_some_and(|o| !o.has_sources()) && !facts.moves_image;
    lacks.then_some(NEEDS_CONTEXT)
}

/// Disk that one trial may hold at once, in bytes: a job keeps the engine's blobs, its unpacked layers, the builder's
/// cache of them, the tar and the client's archive, and only one job of a trial is alive at a time.
pub fn disk_bytes(trial: &Trial) -> u64 {
    size(trial) * 5 + (1 << 30)
}

/// What the service may hold of one trial, in bytes.
pub fn store_bytes(trial: &Trial) -> u64 {
    size(trial) * 5 / 4 + (64 << 20)
}

/// A plan's needs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Needs {
    /// Trials to run.
    pub trials: usize,
    /// Free disk that must be there, in bytes.
    pub disk_bytes: u64,
    /// Bytes that will be written in all, in bytes.
    pub written_bytes: u64,
    /// A first guess at the time, in seconds.
    pub estimate_s: u64,
}

/// A first guess at a trial's time.
pub fn first_guess(trial: &Trial) -> Duration {
    Duration::from_secs_f64(Estimator::default().seconds(trial))
}

/// Adds a plan's needs up.
pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Needs {
    let mut needs = Needs { trials: 0, disk_bytes: 0, written_bytes: 0, estimate_s: 0 };
    let (mut estimator, mut seconds) = (Estimator::default(), 0.0);
    for trial in trials {
        needs.trials += 1;
        needs.disk_bytes = needs.disk_bytes.max(disk_bytes(trial));
        needs.written_bytes += disk_bytes(trial) * 2;
        seconds += estimator.seconds(trial);
    }
    needs.estimate_s = seconds as u64;
    needs
}

/// What strategies refuse under a plan's conditions, each reason once.
pub fn refusals(plan: &Plan) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    let own = plan.request.own.as_ref();
    for trial in plan.trials.iter().filter(|t| lacks_sources(own, &t.cell.strategy).is_none()) {
        let built = own.is_some_and(|o| !o.has_sources());
        if built && trial.cell.strategy.options.get("source").is_some_and(|s| s == "output") {
            let text =
                format!("{}: an image that is built already is saved: leave source=output out", trial.cell.strategy);
            if !reasons.contains(&text) {
                reasons.push(text);
            }
        }
        let found = match trial.cell.conditions.engine {
            EngineKind::Host => handoff_strategies::github::find(&trial.cell.strategy).map(|g| g.strategy),
            _ => handoff_strategies::find(&trial.cell.strategy),
        };
        let refused = found.ok().and_then(|s| s.refuses(&trial.cell.strategy, &trial.cell.conditions));
        if let Some(reason) = refused {
            let text = format!("{}: {reason}", trial.cell.strategy);
            if !reasons.contains(&text) {
                reasons.push(text);
            }
        }
    }
    reasons
}

/// What a plan takes of GitHub's runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RunnerNeeds {
    /// Jobs, those that plan, clean up and report included.
    pub jobs: u64,
    /// Minutes that are billed: each job's time, rounded up to a whole minute.
    pub minutes: u64,
}

/// A first guess at the runners' minutes: a job's own time grows with the image, and every job starts a minute.
pub fn of_runners(plan: &Plan) -> RunnerNeeds {
    let mut needs = RunnerNeeds { jobs: 2, minutes: 8 + 2 };
    for trial in &plan.trials {
        let produces =
            handoff_strategies::github::find(&trial.cell.strategy).is_ok_and(|g| g.strategy.facts().has_producer);
        let sides = u64::from(trial.cell.conditions.consumers) + u64::from(produces);
        let gib = trial.cell.size.bytes() as f64 / (1u64 << 30) as f64;
        // Fetching the binary and looking at the image cost about as much again as the side's own clock.
        let minutes = (0.5 + 1.5 * gib).ceil() as u64;
        needs.jobs += sides + u64::from(produces);
        needs.minutes += sides * minutes + u64::from(produces);
    }
    needs
}
