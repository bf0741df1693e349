//! Link between a job and GitHub's services: profiles with their figures, and the arithmetic that computes times from them.
//!
//! Nothing here waits, opens a socket or starts a thread. `harness/services` waits by these times, and `harness/runner`
//! estimates by them.
//!
//! - [`profile`] reads figures with their sources.
//! - [`shaper`] computes when bytes may have moved at a rate.
//! - [`faults`] draws the faults of requests.
//! - [`limits`] counts the cache entries that are created in a minute.
//! - [`expected`] compares a request log with a profile.
//!
//! ```
//! use handoff_link::shaper::Pace;
//! use handoff_link::{Direction, ServiceKind, profile};
//!
//! # fn main() -> Result<(), profile::ProfileError> {
//! let profile = profile::load("github-hosted:cache.down.connection=10MiB/s")?;
//! let rate = profile.limit(ServiceKind::Cache, Direction::Down).connection.unwrap_or(f64::INFINITY);
//! // 5 MiB at 10 MiB/s from the time 0 may have moved after half a second.
//! assert_eq!(Pace::new(rate, 0).book(0, 5 << 20), 500_000_000);
//! # Ok(())
//! # }
//! ```

pub mod expected;
pub mod faults;
pub mod limits;
pub mod profile;
mod request;
pub mod shaper;

pub use faults::{Call, Faults};
pub use profile::{Direction, Profile, RateLimit, ServiceKind};
pub use request::{Fault, RequestKind, RequestRecord};
