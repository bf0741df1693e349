//! Analysis of journal rows for reports. Pure: no clock, no files, and the order of rows does not matter.
//!
//! [`analyse`] summarises cells, compares strategies within rounds, and gives each comparison one of four [`Verdict`]s. No other
//! crate decides which strategy is faster.
//!
//! ```
//! use handoff_analysis::declared::rounds_for;
//! use handoff_analysis::exact::signed_rank::SignedRank;
//! use handoff_model::Compare;
//!
//! let test = SignedRank::new(vec![-5, -9, -4, -7, -6, -12]).ok_or("no differences")?;
//! assert_eq!((test.p(), test.interval(0.05)), (0.03125, (Some(-12.0), Some(-4.0))));
//! assert_eq!(rounds_for(Compare::Reference, 7), 8);
//! # Ok::<(), &str>(())
//! ```

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
pub mod one_job;
pub mod options;
pub mod order;
mod paired;
mod pooled;
pub mod prices;
mod ranking;
pub mod recommend;
pub mod runs;
pub mod spans;
pub mod spread;
pub mod summary;
mod variants;
pub mod verdict;
mod words;

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
pub use number::plural;
pub use one_job::OneJob;
pub use options::{Options, SmallestEffect};
pub use order::Known;
pub use paired::ratios_within_rounds;
pub use prices::{Prices, PricesError};
pub use recommend::{Recommendation, recommend};
pub use runs::{DiskDifference, compare_runs, disks_differ, environments_differ, matters};
pub use spans::{CellSpans, SpanTime, TypicalTrial};
pub use spread::{MedianInterval, Spread};
pub use summary::{CellSummary, FailedTrial, TrialSample};
pub use variants::Variants;
pub use verdict::{Comparison, Estimate, Family, FamilyKind, Inconclusive, Verdict, Why};
