//! What can go wrong between a stream and the services, and which of it is worth another try.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Everything this crate fails with. URLs are named without their query: it holds the signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Variables that name the service are not set: their names, joined by commas.
    #[error("not set in the environment: {0} (`handoff serve` prints them; on GitHub only actions get them)")]
    MissingVariable(String),
    /// A variable that names the service holds what cannot be part of its value.
    #[error(
        "{name} has a {what} in it: it was copied with more than its value, set it again without (`printf` instead of `echo`)"
    )]
    BadVariable {
        /// The name. The value may be a credential.
        name: &'static str,
        /// What is in it.
        what: &'static str,
    },
    /// An address that cannot be used.
    #[error("address {url} cannot be used: {why}")]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A token from which the run and job cannot be read: what is wrong with it.
    #[error("ACTIONS_RUNTIME_TOKEN is not usable: {0}")]
    BadToken(&'static str),
    /// An artifact name that the service does not allow.
    #[error(
        "artifact name {0:?} is not allowed: it must not be empty or hold any of \" : < > | * ? \\ / or a line break"
    )]
    BadName(String),
    /// A plan that makes no sense.
    #[error("{what} must be {expected}")]
    BadPlan {
        /// The setting.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// No connection, or it broke.
    #[error("connection to {url} failed: {why}")]
    Broken {
        /// The address.
        url: String,
        /// What the connection said.
        why: String,
    },
    /// Whoever answered could not prove to be that host.
    #[error("{host} is not trusted: {why} (a certificate authority of your own: name its PEM file in SSL_CERT_FILE)")]
    NotTrusted {
        /// The host.
        host: String,
        /// What is wrong with its proof.
        why: String,
    },
    /// The file of additional certificate authorities is not usable.
    #[error("SSL_CERT_FILE names {}, which is no PEM file of certificates: {why}", path.display())]
    BadRoots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The service answered with an error status.
    #[error("{what} at {url} was answered with {status} {code}: {message}")]
    Status {
        /// The operation.
        what: &'static str,
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The service's own word for the error, may be empty.
        code: String,
        /// The service's explanation, may be empty.
        message: String,
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// An answer that does not say what it must.
    #[error("{what} was answered with something unexpected: {why}")]
    Answer {
        /// The operation.
        what: &'static str,
        /// What is wrong with the answer.
        why: String,
    },
    /// The same operation failed too often.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        last: Box<Error>,
    },
    /// No artifact of that name can be seen.
    #[error("no artifact named {0:?} in this run (was its upload finalized?)")]
    NotFound(String),
    /// The stream to upload could not be read.
    #[error("reading the stream failed after {at} bytes, nothing was committed: {source}")]
    Reader {
        /// Bytes read before.
        at: u64,
        /// The reader's error.
        source: io::Error,
    },
    /// Who made the stream did not end well, and what it said: the stream may be cut short.
    #[error("the producer of the stream failed, nothing was committed: {0}")]
    ProducerFailed(String),
    /// A stream without a byte.
    #[error("the stream was empty, nothing was committed")]
    EmptyStream,
    /// More blocks than a blob may have.
    #[error("the stream needs more than {limit} blocks of {block_bytes} bytes: use larger blocks")]
    TooManyBlocks {
        /// The limit.
        limit: u32,
        /// Size of a block.
        block_bytes: usize,
    },
    /// The downloaded stream could not be handed on.
    #[error("writing the stream failed after {at} bytes: {source}")]
    Writer {
        /// Bytes written before.
        at: u64,
        /// The writer's error.
        source: io::Error,
    },
    /// Fewer or more bytes than listed.
    #[error("artifact {name:?} has {got} bytes at the blob store, {expected} are listed")]
    Length {
        /// The artifact.
        name: String,
        /// Bytes listed.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// Not the bytes that were uploaded.
    #[error("artifact {name:?} is damaged: its digest is {got}, {expected} is listed")]
    Digest {
        /// The artifact.
        name: String,
        /// Digest listed, `sha256:` and hex.
        expected: String,
        /// Digest of what came.
        got: String,
    },
    /// The blob was replaced during the download.
    #[error("artifact {0:?} changed while it was downloaded")]
    Changed(String),
    /// The commit gate did not open.
    #[error("commit gate {}: {why}", path.display())]
    Gate {
        /// The pipe.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A system call of this process failed.
    #[error("{what} failed: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// Whether another try may help: broken connections and the statuses of a busy service.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// How long the service asked to wait, where it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// An address without its query, which holds a signature.
pub(crate) fn scrub(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}
