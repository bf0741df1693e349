//! The link between a job and the service: the one place through which every byte and every request of a token passes.
//!
//! Nothing is shaped yet: the link of bare loopback lets everything through at once. The cut is made so that a profile
//! can slow it down without touching the code around it: each token has a link of its own (a job has its own network),
//! a connection thread asks it before an API call or a blob request goes on and before bytes move, and waiting
//! is sleeping in that thread.

/// Which way payload moves, as the job sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the job into the service.
    Up,
    /// From the service to the job.
    Down,
}

/// What a request costs besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A call of the artifact or the cache service.
    Api,
    /// A request for a blob.
    Blob,
}

/// The link of one token's job.
#[derive(Debug, Default)]
pub(crate) struct Link;

impl Link {
    /// Returns once a request of this kind may be answered.
    #[allow(clippy::unused_self, reason = "a shaped link keeps its budget here")]
    pub(crate) fn admit(&self, _call: Call) {}

    /// Largest number of bytes to move before asking again.
    #[allow(clippy::unused_self, reason = "a shaped link moves smaller pieces")]
    pub(crate) fn piece(&self, direction: Direction) -> usize {
        match direction {
            Direction::Up => 1 << 20,
            Direction::Down => 1 << 30,
        }
    }

    /// Returns once `bytes` more may have moved on `connection`.
    #[allow(clippy::unused_self, reason = "a shaped link keeps its budget here")]
    pub(crate) fn pass(&self, _direction: Direction, _connection: u64, _bytes: u64) {}
}
