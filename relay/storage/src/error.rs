//! What can go wrong between a stream and the services, and which of it is worth another try.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Everything this crate fails with. URLs are named without their query: it holds the signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Variables that name the service are not set: their names, joined by commas.
    #[error("not set in the environment: {0}; run this in a step of an action, or take them from `handoff serve`")]
    MissingVariable(String),
    /// A variable that names the service holds what cannot be part of its value.
    #[error("{name} has a {what} in it: set it again without, for example with `printf` instead of `echo`")]
    BadVariable {
        /// The name. The value may be a credential.
        name: &'static str,
        /// What is in it.
        what: &'static str,
    },
    /// An address that cannot be used.
    #[error("address {url} cannot be used: {why}; check ACTIONS_RESULTS_URL")]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A token from which the run and job cannot be read: what is wrong with it.
    #[error("ACTIONS_RUNTIME_TOKEN is not usable: {0}; take it from a step of an action, or from `handoff serve`")]
    BadToken(&'static str),
    /// An artifact name that the service does not allow.
    #[error("artifact name {0:?} is not allowed: use a name without \" : < > | * ? \\ / and line breaks")]
    BadName(String),
    /// A plan that makes no sense.
    #[error("{what} is out of range: use {expected}")]
    BadPlan {
        /// The setting.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// No connection, or it broke.
    #[error("connection to {url} failed: {why}; check that the service runs")]
    Broken {
        /// The address.
        url: String,
        /// What the connection said.
        why: String,
    },
    /// Whoever answered could not prove to be that host.
    #[error("{host} is not trusted: {why}; name the PEM file of its certificate authority in SSL_CERT_FILE")]
    NotTrusted {
        /// The host.
        host: String,
        /// What is wrong with its proof.
        why: String,
    },
    /// The file of additional certificate authorities is not usable.
    #[error("SSL_CERT_FILE names {}, which is no PEM file of certificates: {why}; name such a file, or unset it", path.display())]
    BadRoots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The service answered with an error status.
    #[error("{what} at {url} was answered with {status} {code}: {message}; {}", status_fix(*status))]
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
    #[error("{what} was answered with something unexpected: {why}; report this with the service's name")]
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
    #[error("no artifact named {0:?} in this run: check that the job that uploads it ended well")]
    NotFound(String),
    /// The stream to upload could not be read.
    #[error(
        "reading the stream failed after {at} bytes, nothing was committed: {source}; check the program that writes it"
    )]
    Reader {
        /// Bytes read before.
        at: u64,
        /// The reader's error.
        source: io::Error,
    },
    /// Who made the stream did not end well, and what it said: the stream may be cut short.
    #[error("the producer of the stream failed, nothing was committed: {0}; fix that command")]
    ProducerFailed(String),
    /// A stream without a byte.
    #[error("the stream was empty, nothing was committed: check the program that writes it")]
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
    #[error("writing the stream failed after {at} bytes: {source}; check the program that reads it")]
    Writer {
        /// Bytes written before.
        at: u64,
        /// The writer's error.
        source: io::Error,
    },
    /// Fewer or more bytes than listed.
    #[error("artifact {name:?} has {got} bytes at the blob store, {expected} are listed: send it again")]
    Length {
        /// The artifact.
        name: String,
        /// Bytes listed.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// Not the bytes that were uploaded.
    #[error("artifact {name:?} is damaged: its digest is {got}, {expected} is listed: send it again")]
    Digest {
        /// The artifact.
        name: String,
        /// Digest listed, `sha256:` and hex.
        expected: String,
        /// Digest of what came.
        got: String,
    },
    /// The blob was replaced during the download.
    #[error("artifact {0:?} changed while it was downloaded: run the download again")]
    Changed(String),
    /// The commit gate did not open.
    #[error("commit gate {}: {why}; write `commit` to this pipe when the stream is whole", path.display())]
    Gate {
        /// The pipe.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A system call of this process failed.
    #[error("{what} failed: {source}; free some memory or processes")]
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

/// What a user can do about an error status.
fn status_fix(status: u16) -> &'static str {
    match status {
        401 | 403 => "use the token of a step that runs now",
        404 | 410 => "send it again",
        409 => "use another name",
        _ => "run the job again",
    }
}
