//! Triggers of a workflow, and the access to the cache that its jobs have.
//!
//! GitHub gives read-only cache tokens to triggers that people without write access to the repository can cause and whose cache
//! scope is that of the default branch (changelog of 2026-06-26). The workflow key `cache-mode` sets another access, which the
//! service enforces (changelog of 2026-09-10).

use serde::{Deserialize, Serialize};

use crate::level::levels;

levels!(
    /// Event that starts a workflow.
    Trigger, "trigger", {
        /// A push.
        Push = "push",
        /// A pull request, also one of a fork: its entries go to the scope of its merge ref.
        PullRequest = "pull_request",
        /// A group of a merge queue: its entries go to the scope of the queue's branch.
        MergeGroup = "merge_group",
        /// A pull request, in the context of the base branch.
        PullRequestTarget = "pull_request_target",
        /// A comment on an issue or pull request.
        IssueComment = "issue_comment",
        /// The end of another workflow, here one that a fork's pull request has started.
        WorkflowRun = "workflow_run",
    }
);

levels!(
    /// Access of a workflow's jobs to the cache.
    CacheMode, "cache mode", {
        /// Restores only.
        Read = "read",
        /// Restores and saves.
        Write = "write",
        /// Saves only.
        WriteOnly = "write-only",
        /// No access.
        None = "none",
    }
);

impl Trigger {
    /// Access where the workflow sets none.
    pub fn cache_mode(self) -> CacheMode {
        match self {
            Self::Push | Self::PullRequest | Self::MergeGroup => CacheMode::Write,
            Self::PullRequestTarget | Self::IssueComment | Self::WorkflowRun => CacheMode::Read,
        }
    }
}

/// How a workflow starts, as far as a question says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Start {
    /// Its trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Its key `cache-mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mode: Option<CacheMode>,
}

impl Start {
    /// Reason why the jobs of one run cannot share an image through the cache; none if they can.
    pub fn denies_cache(self) -> Option<String> {
        let mode = self.cache_mode.or(self.trigger.map(Trigger::cache_mode))?;
        let cause = match (self.cache_mode, self.trigger) {
            (None, Some(trigger)) => format!("trigger {trigger}"),
            _ => format!("cache-mode {mode}"),
        };
        let missing = match mode {
            CacheMode::Write => return None,
            CacheMode::Read => "lets no job save a cache entry",
            CacheMode::WriteOnly => "lets no job restore a cache entry",
            CacheMode::None => "lets no job save or restore a cache entry",
        };
        Some(format!("{cause} {missing}, and it hands over by the cache"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_trust_triggers_may_not_save() {
        let denied = |trigger: &str| Start { trigger: trigger.parse().ok(), cache_mode: None }.denies_cache();
        for trigger in ["push", "pull_request", "merge_group"] {
            assert_eq!(denied(trigger), None, "{trigger}");
        }
        for trigger in ["pull_request_target", "issue_comment", "workflow_run"] {
            let why = denied(trigger).unwrap();
            assert!(why.starts_with(&format!("trigger {trigger} lets no job save")), "{why}");
        }
        assert_eq!(Start::default().denies_cache(), None);
    }

    #[test]
    fn cache_mode_overrides_the_trigger_both_ways() {
        let denied = |trigger, mode: &str| Start { trigger, cache_mode: mode.parse().ok() }.denies_cache();
        assert_eq!(denied(Some(Trigger::PullRequestTarget), "write"), None);
        for (mode, expected) in [("read", "no job save"), ("write-only", "no job restore"), ("none", "save or restore")]
        {
            let why = denied(Some(Trigger::Push), mode).unwrap();
            assert!(why.starts_with(&format!("cache-mode {mode} ")) && why.contains(expected), "{why}");
        }
        assert!(denied(None, "read").is_some());
    }
}
