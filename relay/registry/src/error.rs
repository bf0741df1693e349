//! Errors of relaying an image.

/// Error of a sender or receiver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Failure of the service, after all retries.
    #[error(transparent)]
    Transport(#[from] handoff_storage::Error),
    /// Invalid table of the relayed image, with the reason.
    #[error("the table of the relayed image is not usable: {0}; send the image again")]
    Table(String),
    /// No image of that name was sent.
    #[error(
        "nothing was sent under the name {name:?} {within}: send it first (`handoff send IMAGE --name {}`)",
        handoff_model::shell::quote(name)
    )]
    NotSent {
        /// Name of the image.
        name: String,
        /// Place of the search.
        within: &'static str,
    },
    /// Blob whose cache entry is gone, by its digest.
    #[error(
        "{0} is no longer in the cache, because it was evicted: run the sending job again, or send with --store artifact"
    )]
    Evicted(String),
    /// Name that the cache already has.
    #[error("an image was already sent under the name {0:?}, and cache entries never change: use another --name")]
    Taken(String),
    /// Commit without a pushed image.
    #[error("no image was pushed to the relay, so nothing was sent: push one before the line `commit`")]
    NothingPushed,
    /// Sender that its caller abandoned, for example because the build failed.
    #[error("the sender was stopped before the push was complete, so nothing was sent: fix the error of the push")]
    Abandoned,
    /// Blob whose received bytes have another digest.
    #[error("{digest} is damaged: the received bytes have the digest {got}; send the image again")]
    Damaged {
        /// Requested digest.
        digest: String,
        /// Digest of the received bytes.
        got: String,
    },
    /// Failed system call.
    #[error("{what} failed: {source}; remove the cause and run the command again")]
    System {
        /// Attempted operation.
        what: &'static str,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Earlier failure of the sender or receiver, with its reason.
    #[error("the relay broke: {0}; run the job again")]
    Broken(String),
}
