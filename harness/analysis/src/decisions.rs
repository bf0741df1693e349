//! What follows for a team: when sharing pays, what it stores, what it costs.

use handoff_model::{Cell, Storage};
use serde::Serialize;

/// When a strategy pays against building again in every job. All from medians.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakEven {
    /// The cell.
    pub cell: Cell,
    /// Added to what the first consumer waits for, in seconds: below 0 the strategy is ahead. It does not depend on how
    /// long the build takes, for `rebuild` waits for a build as well.
    pub wait_s: f64,
    /// For each number of consumers: the build time in seconds from which the strategy uses less time of all jobs; none
    /// where it never does (one consumer, or consumers that are slower than building again without its build).
    pub build_s: Vec<(u32, Option<f64>)>,
    /// At the measured build time: the number of jobs from which the strategy uses less time of all jobs; none where its
    /// consumers are not faster than building again.
    pub consumers: Option<u32>,
    /// The measured build time, in seconds, that `consumers` is for.
    pub measured_build_s: f64,
}

/// What a strategy leaves in the services.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StorageUse {
    /// The cell.
    pub cell: Cell,
    /// The service whose limit counts.
    pub storage: Store,
    /// Median bytes held after one commit.
    pub bytes_per_commit: u64,
    /// Median number of entries held after one commit.
    pub entries_per_commit: u64,
    /// Cache: commits until the limit evicts the first of them (all of them distinct).
    pub commits_until_eviction: Option<u64>,
    /// Artifacts: share of the storage quota of each plan that one commit's image takes while it is kept.
    pub quota_shares: Vec<QuotaShare>,
}

/// Share of a plan's artifact storage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuotaShare {
    /// The plan.
    pub plan: String,
    /// One commit's bytes over the quota.
    pub share: f64,
}

/// Where bytes are held, as `Storage` of the model, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// Artifacts.
    Artifact,
    /// The cache.
    Cache,
    /// Nowhere.
    None,
}

impl From<Storage> for Store {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::Artifact => Self::Artifact,
            Storage::Cache => Self::Cache,
            Storage::None => Self::None,
        }
    }
}

/// What a month costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// The cell.
    pub cell: Cell,
    /// Number of consumers.
    pub consumers: u32,
    /// Pushes a day.
    pub pushes_per_day: u32,
    /// Minutes of runners that are billed a month: each job's time is rounded up to whole minutes.
    pub billed_minutes: u64,
    /// Their price in dollars.
    pub runner_usd: f64,
    /// Average bytes held, of artifacts or caches.
    pub held_bytes: u64,
    /// Price of what is held beyond what is included, in dollars; none where no price is known.
    pub storage_usd: Option<f64>,
}
