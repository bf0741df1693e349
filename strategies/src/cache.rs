//! The cache client as a workflow with `actions/cache` uses it: look first, save under the key afterwards.

use handoff_model::recipe::Step;
use handoff_model::{Failure, Flow, SpanKind, Ticket, Transfer};

use crate::options::{options, words};
use crate::recorder::CLIENT;
use crate::{Job, StepResult, clients, steps};

/// How the client moves bytes.
pub const TRANSFER: Transfer = Transfer {
    up: Flow { connections: 8, block_bytes: Some(64 << 20), calls: 2 },
    down: Flow { connections: 8, block_bytes: Some(4 << 20), calls: 1 },
    by_layer: false,
    plain_on_overlay2: false,
};

words! {
    /// The cache's actions.
    pub enum Action {
        Latest = "latest",
        V4 = "v4",
        Combined = "combined",
    }
}

options! {
    /// The option that picks the cache's actions.
    pub(crate) struct ActionOption {
        /// the cache's actions, on GitHub only: today's restore and save (latest), the spike's (v4), or the one action that saves
        /// after the job's last step (combined), whose saving GitHub's jobs API times to the second
        action: Action,
    }
}

/// Inputs of an action.
type Inputs = &'static [(&'static str, &'static str)];

/// Saving as steps: today's action or the spike's.
pub const fn saves(with: Inputs) -> [Step; 2] {
    [
        steps::uses(SpanKind::Upload, "cache/save", "actions/cache/save", with).when(&[("action", "latest")]),
        steps::uses(SpanKind::Upload, "cache/save v4", "actions/cache/save@v4", with).when(&[("action", "v4")]),
    ]
}

/// Restoring as steps: today's action or the spike's.
pub const fn restores(with: Inputs) -> [Step; 2] {
    [
        steps::uses(SpanKind::Download, "cache/restore", "actions/cache/restore", with).when(&[("action", "latest")]),
        steps::uses(SpanKind::Download, "cache/restore v4", "actions/cache/restore@v4", with).when(&[("action", "v4")]),
    ]
}

/// The one action that looks where it stands, and saves when the job's steps are done: on both sides, as workflows have it.
pub const fn combined(with: Inputs) -> Step {
    steps::uses(SpanKind::Download, "cache", "actions/cache", with).when(&[("action", "combined")])
}

/// What a producer finds of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// What a run of this very commit saved.
    ThisCommit,
    /// What a run of another commit saved.
    AnotherCommit,
}

/// Restores `path` as far as earlier runs have saved it; with `others` also what another commit's run saved, the newest
/// of it. Where no earlier run can have been, it is not looked for.
pub fn look(job: &Job, path: &str, others: bool) -> StepResult<Found> {
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

/// Saves `path` under this image's key. It is relative: the client makes the entry's version from the text, and both
/// sides must say the same.
pub fn save(job: &Job, path: &str) -> StepResult<()> {
    let report = clients::node(job, "cache.mjs", &["save", "--path", path, "--key", &job.key()], SpanKind::Upload)?;
    job.recorder.fact(CLIENT, report.client.to_string());
    Ok(())
}

/// What consumers are told.
pub fn ticket(job: &Job) -> Ticket {
    Ticket::default().with("key", job.key())
}

/// Restores what the ticket names, and nothing else.
pub fn restore(job: &Job, ticket: &Ticket, path: &str) -> StepResult<()> {
    let key = ticket.get("key").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
    clients::node(job, "cache.mjs", &["restore", "--path", path, "--key", key], SpanKind::Download)?;
    Ok(())
}
