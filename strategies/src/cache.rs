//! Cache client, used as in a workflow with `actions/cache`: restore first, save under the key afterwards.

use handoff_model::recipe::Step;
use handoff_model::{Failure, Flow, SpanKind, Ticket, Transfer};

use crate::options::{options, words};
use crate::recorder::CLIENT;
use crate::{Job, StepResult, clients, steps};

/// Transfer pattern of the cache client.
pub const TRANSFER: Transfer = Transfer {
    up: Flow { connections: 8, block_bytes: Some(64 << 20), calls: 2 },
    down: Flow { connections: 8, block_bytes: Some(4 << 20), calls: 1 },
    by_layer: false,
    plain_on_overlay2: false,
};

words! {
    /// Versions of the cache actions.
    pub enum Action {
        Latest = "latest",
        V4 = "v4",
        Combined = "combined",
    }
}

options! {
    /// Option that selects the cache actions.
    pub(crate) struct ActionOption {
        /// cache actions, on GitHub only: current restore and save (latest), those of the spike (v4), or actions/cache, which saves
        /// after the last step (combined) and is timed by GitHub's jobs API to the second
        action: Action,
    }
}

/// Names and values of an action's inputs.
type Inputs = &'static [(&'static str, &'static str)];

/// Steps that save: the current action or that of the spike.
pub const fn saves(with: Inputs) -> [Step; 2] {
    [
        steps::uses(SpanKind::Upload, "cache/save", "actions/cache/save", with).when(&[("action", "latest")]),
        steps::uses(SpanKind::Upload, "cache/save v4", "actions/cache/save@v4", with).when(&[("action", "v4")]),
    ]
}

/// Steps that restore: the current action or that of the spike.
pub const fn restores(with: Inputs) -> [Step; 2] {
    [
        steps::uses(SpanKind::Download, "cache/restore", "actions/cache/restore", with).when(&[("action", "latest")]),
        steps::uses(SpanKind::Download, "cache/restore v4", "actions/cache/restore@v4", with).when(&[("action", "v4")]),
    ]
}

/// Step of `actions/cache`, which restores at its place and saves after the job's last step.
pub const fn combined(with: Inputs) -> Step {
    steps::uses(SpanKind::Download, "cache", "actions/cache", with).when(&[("action", "combined")])
}

/// Cache entry that a producer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No entry.
    Nothing,
    /// Entry of this commit.
    ThisCommit,
    /// Entry of another commit.
    AnotherCommit,
}

/// Restores `path` from an entry of an earlier run: of this commit, or with `others` the newest of any commit. Without
/// earlier runs, no request is made.
pub fn restore_earlier(job: &Job, path: &str, others: bool) -> StepResult<Found> {
    if job.commit.is_none() {
        return Ok(Found::Nothing);
    }
    let (key, prefix) = (job.key(), format!("{}-", job.name));
    let mut args = vec!["restore", "--or-miss", "--path", path, "--key", &key];
    if others {
        args.extend(["--restore-key", &prefix]);
    }
    let report = clients::node(job, "cache.mjs", &args, SpanKind::Download)?;
    job.recorder.fact(CLIENT, report.client.to_string());
    Ok(match report.key {
        None => Found::Nothing,
        Some(found) if found == key => Found::ThisCommit,
        Some(_) => Found::AnotherCommit,
    })
}

/// Saves `path` under this image's key. The path is relative, because the client derives the entry's version from its text.
pub fn save(job: &Job, path: &str) -> StepResult<()> {
    let report = clients::node(job, "cache.mjs", &["save", "--path", path, "--key", &job.key()], SpanKind::Upload)?;
    job.recorder.fact(CLIENT, report.client.to_string());
    Ok(())
}

/// Ticket with the key.
pub fn ticket(job: &Job) -> Ticket {
    Ticket::default().with("key", job.key())
}

/// Restores the entry that the ticket names.
pub fn restore(job: &Job, ticket: &Ticket, path: &str) -> StepResult<()> {
    let key = ticket.get("key").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
    clients::node(job, "cache.mjs", &["restore", "--path", path, "--key", key], SpanKind::Download)?;
    Ok(())
}
