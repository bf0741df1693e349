//! Timeouts of this crate.

use std::time::Duration;

/// Limit of a call without a body, such as `Prepare`. A collection of garbage blocks containerd's metadata meanwhile.
pub const CALL: Duration = Duration::from_mins(1);

/// Limit of a call that waits for a collection of garbage, which removes folders.
pub const SYNC_CALL: Duration = Duration::from_mins(5);

/// Limit of one answer to written content. A commit syncs the file to the disk.
pub const CONTENT: Duration = Duration::from_mins(5);

/// Limit of connecting to a socket on this machine and of reading `GET /info`.
pub const CONNECT: Duration = Duration::from_secs(10);

/// Default lifetime of a lease. [`Store::renew`](crate::Store::renew) is due after a third of it.
pub const LEASE: Duration = Duration::from_mins(30);
