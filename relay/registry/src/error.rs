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
    /// Blob whose cache entry this receiver found before and no longer finds, by its digest.
    #[error(
        "{0} is no longer in the cache, because it was evicted: run the sending job again, or send with --store artifact"
    )]
    Evicted(String),
    /// Blob whose cache entry this receiver never found.
    #[error(
        "{digest} is not in the cache now, although the table of the transfer names its entry {key}: run the sending job again, or send with --store artifact"
    )]
    NotInCache {
        /// Digest of the blob.
        digest: String,
        /// Key that the table names.
        key: String,
    },
    /// Cache key whose reservations are all taken, without an entry.
    #[error(
        "the cache key {0} and the numbered keys after it are reserved by uploads that never ended: send with --store artifact"
    )]
    Reserved(String),
    /// Cache entry whose size differs from that of the pushed blob.
    #[error(
        "the cache entry {key} has {stored} bytes, {pushed} were pushed: delete this entry, or send with --store artifact"
    )]
    OtherSize {
        /// Key of the entry.
        key: String,
        /// Bytes of the blob in the cache.
        stored: u64,
        /// Bytes of the pushed blob.
        pushed: u64,
    },
    /// Name that the cache already has.
    #[error("an image was already sent under the name {0:?}, and cache entries never change: use another --name")]
    Taken(String),
    /// Transfer that another job of the run has sent under the name.
    #[error(
        "an image was already sent under the name {0:?} in this run: use another --name, or delete that artifact first"
    )]
    TakenInRun(String),
    /// Commit without a pushed image.
    #[error("no image was pushed to the relay, so nothing was sent: push one before the line `commit`")]
    NothingPushed,
    /// Image of a commit that was not pushed, by its reference and tag.
    #[error("{reference} was not pushed under the tag {tag}, so nothing was sent: push it before the commit")]
    NotPushed {
        /// Reference of the image.
        reference: String,
        /// Tag of the push.
        tag: String,
    },
    /// Image without a manifest to run, by its reference.
    #[error("{0} is an empty index, which nobody can pull: push the image again, with at least one platform")]
    EmptyIndex(String),
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
