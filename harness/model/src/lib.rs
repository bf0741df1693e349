//! Vocabulary of Handoff: the types that all crates share, without I/O.
//!
//! Words are those of `docs/glossary.md`. What is written to disk has a wire type of its own next to
//! the type in memory (`handoff_records::rows`), so that a change of one is never a silent change of the other.
//!
//! ```
//! use handoff_model::{Plan, PlanRequest, StrategySpec};
//!
//! let strategies = StrategySpec::parse_list("artifact,cache-tar:layers=zstd")?;
//! let plan = Plan::new(PlanRequest { rounds: 2, ..PlanRequest::of(strategies) })?;
//! assert_eq!(plan.trials.len(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod block;
pub mod cell;
pub mod conditions;
mod counters;
pub mod disk;
pub mod disk_limit;
pub mod docker_error;
pub mod duration;
mod engine_version;
pub mod environment;
pub mod identity;
pub mod image_name;
mod io_fix;
pub mod level;
pub mod list;
pub mod natural;
pub mod nearest;
pub mod outcome;
pub mod plan;
pub mod purpose;
pub mod recipe;
pub mod regular_file;
pub mod shell;
pub mod size;
pub mod span;
pub mod strategy;
pub mod ticket;
pub mod timeouts;
pub mod trigger;
pub mod usage;
pub mod user_image;
pub mod workload;

pub use block::{Block, Exclusion};
pub use cell::Cell;
pub use conditions::{Builder, CacheState, Conditions, EngineKind, ImageStore};
pub use counters::Counters;
pub use disk::{DiskMeasurement, DiskSpeed};
pub use disk_limit::DiskLimit;
pub use engine_version::EngineVersion;
pub use environment::{Difference, Environment};
pub use identity::{IdentityCheck, ImageIdentity, worst_level};
pub use io_fix::{io_fix, is_full_disk};
pub use level::LevelError;
pub use natural::natural;
pub use outcome::{Failure, Outcome};
pub use plan::{Plan, PlanRequest, Trial};
pub use purpose::{Compare, Purpose};
pub use recipe::Recipe;
pub use size::ByteSize;
pub use span::{Role, Span, SpanKind};
pub use strategy::{
    Colour, Flow, Marker, OptionKind, OptionSpec, Storage, StrategyError, StrategyFacts, StrategySpec, Transfer,
    VariantFacts,
};
pub use ticket::Ticket;
pub use usage::{RoleUsage, ServiceUsage, StepCount};
pub use user_image::{Sources, UserImage};
