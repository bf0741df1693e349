//! What a plan needs: disk, bytes moved, time. Rough on purpose, and told as such; the run itself refines the time.

use std::time::Duration;

use handoff_model::{Plan, Trial};

/// Disk that one trial may hold at once, in bytes: a job keeps the engine's blobs, its unpacked layers, the builder's
/// cache of them, the tar and the client's archive, and only one job of a trial is alive at a time.
pub fn disk_bytes(trial: &Trial) -> u64 {
    trial.cell.size.bytes() * 5 + (1 << 30)
}

/// What the service may hold of one trial, in bytes.
pub fn store_bytes(trial: &Trial) -> u64 {
    trial.cell.size.bytes() * 5 / 4 + (64 << 20)
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

/// A first guess at a trial's time, after the committed reference run: engines and checks cost some seconds, the rest
/// grows with the image.
pub fn first_guess(trial: &Trial) -> Duration {
    let gib = trial.cell.size.bytes() as f64 / (1u64 << 30) as f64;
    Duration::from_secs_f64(6.0 + 50.0 * gib)
}

/// Adds a plan's needs up.
pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Needs {
    let mut needs = Needs { trials: 0, disk_bytes: 0, written_bytes: 0, estimate_s: 0 };
    for trial in trials {
        needs.trials += 1;
        needs.disk_bytes = needs.disk_bytes.max(disk_bytes(trial));
        needs.written_bytes += disk_bytes(trial) * 2;
        needs.estimate_s += first_guess(trial).as_secs();
    }
    needs
}

/// What strategies refuse under a plan's conditions, each reason once.
pub fn refusals(plan: &Plan) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for trial in &plan.trials {
        let refused = handoff_strategies::find(&trial.cell.strategy)
            .ok()
            .and_then(|s| s.refuses(&trial.cell.strategy, &trial.cell.conditions));
        if let Some(reason) = refused {
            let text = format!("{}: {reason}", trial.cell.strategy);
            if !reasons.contains(&text) {
                reasons.push(text);
            }
        }
    }
    reasons
}
