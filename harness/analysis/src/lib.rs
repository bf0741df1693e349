//! From journal rows to what a report says. Pure: no clock, no files, no order of rows that matters.
//!
//! [`analyse`] is the whole of it: cells are summarised, strategies are compared within rounds, and what may be claimed
//! is one of four [`Verdict`]s. Nothing else in the workspace decides what is faster.

pub mod analysis;
pub mod candidate;
mod changes;
pub mod claims;
mod compare;
pub mod contest;
mod decide;
pub mod decisions;
pub mod declared;
pub mod drift;
pub mod exact;
pub mod fan_out;
pub mod group;
pub mod identity;
pub mod input;
pub mod judge;
pub mod judgement;
pub mod metric;
pub mod mix;
pub mod noise;
mod number;
pub mod options;
pub mod order;
mod paired;
mod pooled;
pub mod prices;
mod ranking;
pub mod recommend;
pub mod runs;
mod shipped;
pub mod spans;
pub mod spread;
pub mod summary;
mod variants;
pub mod verdict;

pub use analysis::{Analysis, analyse};
pub use candidate::{Candidate, Goal, TeamQuestion};
pub use claims::{Approach, Claim, Claims, ClaimsError, Rule, TableCell};
pub use contest::Undecided;
pub use decisions::{BreakEven, Cost, StorageUse};
pub use declared::DeclaredFamily;
pub use drift::Drift;
pub use fan_out::{CONSUMERS, CurveBasis, FanOut, FanOutCurve};
pub use group::{Group, GroupKey, Pooled, PooledComparison, RankRange, Ranking, RunComparison};
pub use identity::{Finding, Identity, LevelCount};
pub use input::{InputError, RunRows};
pub use judge::judge;
pub use judgement::{Evidence, JudgedClaim, Judgement, Measured, Unit, WorkflowSize};
pub use metric::Metric;
pub use mix::{Mix, MixedEnvironment, MixedValues, mix};
pub use noise::NoiseFloor;
pub use options::{Options, SmallestEffect};
pub use order::Known;
pub use prices::{Prices, PricesError};
pub use recommend::{Recommendation, recommend};
pub use runs::{DiskDifference, compare_runs, disks_differ, environments_differ};
pub use spans::{CellSpans, SpanTime, TypicalTrial};
pub use spread::{MedianInterval, Spread};
pub use summary::{CellSummary, FailedTrial, TrialSample, summaries};
pub use variants::Variants;
pub use verdict::{Comparison, Estimate, Family, FamilyKind, Inconclusive, Verdict, Why};
