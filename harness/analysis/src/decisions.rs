//! Decisions of a team: break-even, storage and costs.

use handoff_model::{Cell, Storage};
use serde::Serialize;

use crate::fan_out::CONSUMERS;
use crate::group::Group;
use crate::options::Options;
use crate::prices::Prices;
use crate::spread::Spread;
use crate::summary::CellSummary;
use crate::variants::Variants;

/// Break-even of a strategy against rebuilding in every job. All from medians.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakEven {
    /// The cell.
    pub cell: Cell,
    /// Added to what the first consumer waits for, in seconds: below 0 the strategy is ahead. It does not depend on how
    /// long the build takes, for `rebuild` waits for a build as well.
    pub wait_s: f64,
    /// For each number of consumers: the build time in seconds from which the strategy uses less time of all jobs; none for
    /// a single consumer, for which two builds are never saved.
    pub build_s: Vec<(u32, Option<f64>)>,
    /// At the measured build time: the number of jobs from which the strategy uses less time of all jobs; none where its
    /// consumers are not faster than building again.
    pub consumers: Option<u32>,
    /// The measured build time, in seconds, that `consumers` is for.
    pub measured_build_s: f64,
}

/// Storage that a strategy uses in the services.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StorageUse {
    /// The cell.
    pub cell: Cell,
    /// The service whose limit counts.
    pub storage: Storage,
    /// Median bytes held after one commit.
    pub bytes_per_commit: u64,
    /// Median number of entries held after one commit.
    pub entries_per_commit: u64,
    /// Cache: commits of this size that fit below the limit, so that the next one evicts the first.
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

/// Costs of a month.
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
    /// Price of these minutes in dollars; none where no price is known.
    pub runner_usd: Option<f64>,
    /// Average bytes held, of artifacts or caches; none where nobody counted them.
    pub held_bytes: Option<u64>,
    /// Price of what is held beyond what is included, in dollars; none where no price is known, or not the bytes.
    pub storage_usd: Option<f64>,
}

/// The medians, in seconds, that a model is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// The producer's clock; 0 without a producer.
    pub produce_s: f64,
    /// A consumer's clock.
    pub consume_s: f64,
    /// Time in which steps of the Dockerfile were executed.
    pub build_s: f64,
    /// Whether there is a producer.
    pub shares: bool,
}

impl Parts {
    /// The parts of a cell; none without a completed trial.
    pub fn of(cell: &CellSummary) -> Option<Self> {
        let seconds = |spread: &Option<Spread>| spread.as_ref().map(Spread::median_s);
        Some(Self {
            produce_s: seconds(&cell.produce).unwrap_or(0.0),
            consume_s: seconds(&cell.consume)?,
            build_s: seconds(&cell.build)?,
            shares: cell.produce.is_some(),
        })
    }

    /// The same with a build that takes this long: in the producer, or in each consumer where nothing is shared.
    #[must_use]
    pub fn with_build(self, build_s: f64) -> Self {
        let more = build_s - self.build_s;
        if self.shares {
            Self { produce_s: self.produce_s + more, build_s, ..self }
        } else {
            Self { consume_s: self.consume_s + more, build_s, ..self }
        }
    }

    /// Time that a workflow waits, with consumers that are all alike.
    pub fn wait_s(self) -> f64 {
        self.produce_s + self.consume_s
    }

    /// Time of all jobs together.
    pub fn runner_s(self, consumers: u32) -> f64 {
        self.produce_s + f64::from(consumers) * self.consume_s
    }

    /// Minutes that are billed: each job rounded up.
    pub fn billed_minutes(self, consumers: u32) -> u64 {
        let minutes = |s: f64| (s / 60.0).ceil().max(0.0) as u64;
        minutes(self.produce_s) + u64::from(consumers) * minutes(self.consume_s)
    }

    /// The build time from which `self` uses less time of all jobs than `rebuild`. None for one consumer.
    pub fn build_break_even(self, rebuild: Self, consumers: u32) -> Option<f64> {
        if consumers < 2 {
            return None;
        }
        let n = f64::from(consumers);
        let sharing = self.with_build(0.0).runner_s(consumers);
        let rebuilding = rebuild.with_build(0.0).runner_s(consumers);
        Some(((sharing - rebuilding) / (n - 1.0)).max(0.0))
    }

    /// The number of consumers from which `self` uses less time of all jobs than `rebuild`. None where no number is enough.
    pub fn consumers_break_even(self, rebuild: Self) -> Option<u32> {
        let gain = rebuild.consume_s - self.consume_s;
        let jobs = (self.produce_s / gain).floor() + 1.0;
        (gain > 0.0 && jobs < 1e6).then_some(jobs as u32)
    }
}

/// The break-even of every cell with a producer, in groups that have the baseline.
pub(crate) fn break_even(groups: &[Group], variants: &Variants) -> Vec<BreakEven> {
    let mut all = Vec::new();
    for group in groups {
        let Some(rebuild) = group.baseline(variants).and_then(Parts::of) else { continue };
        for cell in group.cells.iter().filter(|c| !c.cell.control) {
            let Some(parts) = Parts::of(cell).filter(|p| p.shares) else { continue };
            all.push(BreakEven {
                cell: cell.cell.clone(),
                wait_s: parts.with_build(0.0).wait_s() - rebuild.with_build(0.0).wait_s(),
                build_s: CONSUMERS.iter().map(|n| (*n, parts.build_break_even(rebuild, *n))).collect(),
                consumers: parts.with_build(rebuild.build_s).consumers_break_even(rebuild),
                measured_build_s: rebuild.build_s,
            });
        }
    }
    all
}

/// Storage of every cell of a strategy that stores something.
pub(crate) fn storage(groups: &[Group], variants: &Variants, options: &Options) -> Vec<StorageUse> {
    let use_of = |cell: &CellSummary| {
        let store = variants.get(&cell.cell.strategy)?.storage;
        let bytes = cell.bytes_stored.as_ref()?.median();
        let in_cache = store == Storage::Cache && bytes > 0;
        let in_artifacts = store == Storage::Artifact && bytes > 0;
        let plans = options.prices.plans.iter().filter(|_| in_artifacts);
        Some(StorageUse {
            cell: cell.cell.clone(),
            storage: store,
            bytes_per_commit: bytes,
            entries_per_commit: cell.entries_stored.as_ref().map_or(0, Spread::median),
            commits_until_eviction: in_cache.then(|| options.prices.cache.included_bytes / bytes),
            quota_shares: plans
                .map(|p| QuotaShare { plan: p.name.clone(), share: bytes as f64 / p.artifact_bytes as f64 })
                .collect(),
        })
    };
    groups.iter().flat_map(|g| &g.cells).filter(|c| !c.cell.control).filter_map(use_of).collect()
}

/// Days that a month is taken to have.
const DAYS: u64 = 30;

/// Costs of a cell's strategy in a month.
///
/// Minutes and storage are priced as if nothing were included in a plan, the cache's included bytes apart.
pub fn cost(
    cell: &CellSummary,
    parts: Parts,
    store: Storage,
    bytes: Option<u64>,
    consumers: u32,
    pushes_per_day: u32,
    prices: &Prices,
) -> Cost {
    let pushes = u64::from(pushes_per_day) * DAYS;
    let billed_minutes = parts.billed_minutes(consumers) * pushes;
    // Artifacts are kept for their retention; cache entries until the limit evicts them, a week at most when nobody reads
    // them again.
    let held = |bytes: u64| match store {
        Storage::Artifact => bytes * u64::from(pushes_per_day) * u64::from(prices.artifact.retention_days),
        Storage::Cache => (bytes * u64::from(pushes_per_day) * 7).min(prices.cache.included_bytes),
        Storage::None => 0,
    };
    let held_bytes = if store == Storage::None { Some(0) } else { bytes.map(held) };
    let storage_usd = match store {
        Storage::Artifact => {
            held_bytes.zip(prices.artifact.usd_per_gb_month).map(|(bytes, usd)| bytes as f64 / 1e9 * usd)
        }
        // Without payment the limit evicts, so that nothing is ever owed.
        Storage::Cache | Storage::None => Some(0.0),
    };
    Cost {
        cell: cell.cell.clone(),
        consumers,
        pushes_per_day,
        billed_minutes,
        runner_usd: prices.runner.usd_per_minute.map(|usd| billed_minutes as f64 * usd),
        held_bytes,
        storage_usd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REBUILD: Parts = Parts { produce_s: 0.0, consume_s: 40.0, build_s: 30.0, shares: false };
    const SHARED: Parts = Parts { produce_s: 50.0, consume_s: 20.0, build_s: 30.0, shares: true };

    #[test]
    fn break_even_jobs_and_minutes_are_known() {
        // 50 + 20 n < 40 n from the third job on.
        assert_eq!(SHARED.consumers_break_even(REBUILD), Some(3));
        assert_eq!(Parts { consume_s: 40.0, ..SHARED }.consumers_break_even(REBUILD), None);
        // 20 + b + 4·20 = 4·(10 + b) at b = 20.
        assert_eq!(SHARED.build_break_even(REBUILD, 4), Some(20.0));
        assert_eq!(SHARED.build_break_even(REBUILD, 1), None);
        assert_eq!(SHARED.billed_minutes(3), 4);
    }

    proptest! {
        #[test]
        fn both_strategies_cost_the_same_at_the_break_even(p in 1.0..500.0f64, c in 1.0..100.0f64, r in 1.0..100.0f64, n in 2u32..50) {
            let shared = Parts { produce_s: p, consume_s: c, build_s: 0.0, shares: true };
            let rebuild = Parts { produce_s: 0.0, consume_s: r, build_s: 0.0, shares: false };
            let b = shared.build_break_even(rebuild, n).unwrap();
            let (sharing, rebuilding) = (shared.with_build(b).runner_s(n), rebuild.with_build(b).runner_s(n));
            prop_assert!(b == 0.0 && sharing <= rebuilding + 1e-6 || (sharing - rebuilding).abs() < 1e-6);
        }
    }
}
