//! What can go wrong with a relayed image.

/// Everything this crate fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service, after all retries.
    #[error(transparent)]
    Transport(#[from] handoff_storage::Error),
    /// The table of what was sent is not usable: what is wrong with it.
    #[error("the table of the relayed image is not usable: {0}; send the image again")]
    Table(String),
    /// Nothing of that name was sent.
    #[error(
        "nothing was sent under the name {name:?} {within}: send it first (`handoff send IMAGE --name {}`)",
        handoff_model::shell::quote(name)
    )]
    NotSent {
        /// The name.
        name: String,
        /// Where it was looked for.
        within: &'static str,
    },
    /// The cache entry of a blob is gone: its digest.
    #[error(
        "{0} is no longer in the cache, because it was evicted: run the sending job again, or send with --store artifact"
    )]
    Evicted(String),
    /// The name is taken in the cache.
    #[error("an image was sent under the name {0:?} before, and cache entries never change: use another --name")]
    Taken(String),
    /// Nothing was pushed.
    #[error("no image was pushed to the relay, so nothing was sent: push one before the line `commit`")]
    NothingPushed,
    /// The caller ended it, because what it does had failed: the cause is the caller's.
    #[error("the sender was stopped before the push was complete, so nothing was sent: fix the error of the push")]
    Abandoned,
    /// What arrived has another digest.
    #[error("{digest} is damaged: the received bytes have the digest {got}; send the image again")]
    Damaged {
        /// The digest asked for.
        digest: String,
        /// The digest of what came.
        got: String,
    },
    /// A system call failed.
    #[error("{what} failed: {source}; free some memory or processes")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A part of the end broke.
    #[error("the relay broke: {0}; run the job again")]
    Broken(String),
}
