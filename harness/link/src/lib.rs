//! The link between a job and GitHub's services: profiles with their figures, and the arithmetic that makes times of them.
//!
//! Nothing here waits, opens a socket or starts a thread. [`profile`] reads figures with their sources; [`shaper`] says when
//! bytes may have moved at a rate; [`faults`] draws what a request meets; [`limits`] counts what may be created in a minute;
//! [`expected`] compares a request log with the profile. `harness/services` waits accordingly, and `harness/runner` estimates.

pub mod expected;
pub mod faults;
pub mod limits;
pub mod profile;
mod request;
pub mod shaper;

pub use faults::{Call, Faults};
pub use profile::{Direction, Profile, RateLimit, ServiceKind};
pub use request::{Fault, RequestKind, RequestRecord};
