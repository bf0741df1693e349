//! Errors of the clients, and which of them are worth a retry.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Error of a client. URLs have no query here, because the query holds the signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Missing environment variables, joined by commas.
    #[error("not set in the environment: {0}; run this in a step of an action, or take them from `handoff serve`")]
    MissingVariable(String),
    /// Environment variable with an invalid character.
    #[error("{name} has a {what} in it: set it again without, for example with `printf` instead of `echo`")]
    BadVariable {
        /// Name of the variable. The value may be a secret.
        name: &'static str,
        /// Kind of the character.
        what: &'static str,
    },
    /// URL that cannot be used.
    #[error("address {url} cannot be used: {why}; check ACTIONS_RESULTS_URL, or the service that named it")]
    BadUrl {
        /// URL.
        url: String,
        /// Reason.
        why: String,
    },
    /// Token without readable run and job ids, with the reason.
    #[error("ACTIONS_RUNTIME_TOKEN is not usable: {0}; take it from a step of an action, or from `handoff serve`")]
    BadToken(&'static str),
    /// Artifact name that the service forbids.
    #[error(
        "artifact name {0:?} is not allowed: use a name without \" : < > | * ? \\ / and line breaks, and without .attempt-N at its end"
    )]
    BadName(String),
    /// Invalid setting of a transfer.
    #[error("{what} is out of range: use {expected}")]
    BadPlan {
        /// Setting.
        what: &'static str,
        /// Allowed values.
        expected: &'static str,
    },
    /// Failed or broken connection.
    #[error("connection to {url} failed: {why}; check that the service runs")]
    Broken {
        /// URL.
        url: String,
        /// Reason.
        why: String,
    },
    /// Server without a trusted certificate for its host name.
    #[error("{host} is not trusted: {why}; name the PEM file of its certificate authority in SSL_CERT_FILE")]
    NotTrusted {
        /// Host.
        host: String,
        /// Defect of the certificate.
        why: String,
    },
    /// Unusable file of additional certificate authorities.
    #[error("SSL_CERT_FILE names {}, which is no PEM file of certificates: {why}; name such a file, or unset it", path.display())]
    BadRoots {
        /// File.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// Error status of the service.
    #[error("{what} at {url} was answered with {status} {code}: {message}; {}", status_fix(*status))]
    Status {
        /// Operation.
        what: &'static str,
        /// URL.
        url: String,
        /// HTTP status.
        status: u16,
        /// Error code of the service, may be empty.
        code: String,
        /// Message of the service, may be empty.
        message: String,
        /// Wait that the service asks for.
        retry_after: Option<Duration>,
    },
    /// Cache entry that the service refuses to reserve, with its reason.
    #[error("the cache refuses to save {key}: {message}; use the store artifact where the token may not save")]
    Refused {
        /// Key of the entry.
        key: String,
        /// Reason that the service states.
        message: String,
    },
    /// Answer without the required content.
    #[error("{what} was answered with something unexpected: {why}; check that the service is the expected one")]
    Answer {
        /// Operation.
        what: &'static str,
        /// Defect of the answer.
        why: String,
    },
    /// Answer that is not the service's, for example a page of a gateway.
    #[error(
        "{what} at {url} was answered with {status} and {content_type}, not by the service: {start}; \
         check the proxy or gateway in between, and run the job again"
    )]
    Foreign {
        /// Operation.
        what: &'static str,
        /// URL.
        url: String,
        /// HTTP status.
        status: u16,
        /// Media type of the answer.
        content_type: String,
        /// First words of the answer.
        start: String,
    },
    /// Failure of the proxy that the environment names. It never has the credentials.
    #[error("proxy {proxy} does not lead to {host}: {why}; correct {variable}, or name the host in NO_PROXY")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// Variable that names it.
        variable: &'static str,
        /// Host and port behind it.
        host: String,
        /// Reason.
        why: String,
        /// Whether a retry may help.
        transient: bool,
    },
    /// Variable that names no usable proxy. Its value may have a password.
    #[error("{variable} names no usable proxy: {why}; set it to http://HOST:PORT, or unset it")]
    BadProxy {
        /// Name of the variable.
        variable: &'static str,
        /// Defect of the value.
        why: &'static str,
    },
    /// Artifact name under which another send has completed an artifact in this run.
    #[error("this run has a complete artifact named {0:?} already: use another name, or delete it first")]
    Taken(String),
    /// Name that earlier sends left unfinished in this run, with all its attempts.
    #[error("all {attempts} attempts of the artifact {name:?} were left unfinished in this run: use another name")]
    Burnt {
        /// Name.
        name: String,
        /// Attempts.
        attempts: u32,
    },
    /// Upload whose link or reservation ended after bytes were stored behind it. The service gives no second link to them.
    #[error("the upload link of {name:?} ended after {accepted} blocks ({why}): send it again, which takes a new link")]
    LinkEnded {
        /// Name or key.
        name: String,
        /// Blocks that were stored.
        accepted: u64,
        /// Answer of the store.
        why: Box<Error>,
    },
    /// Cache entry that is gone although an earlier lookup found it.
    #[error("the cache entry {0} is gone: it was evicted or deleted meanwhile; send the image again")]
    Gone(String),
    /// Transfer that waited for the service longer than allowed in total.
    #[error("the transfer waited for the service for {} min in total and was ended: run it again on a faster link", .0.as_secs() / 60)]
    TooLong(Duration),
    /// Operation that failed in every attempt.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// Number of attempts.
        attempts: u32,
        /// Last failure.
        last: Box<Error>,
    },
    /// Missing artifact, by its name.
    #[error("no artifact named {0:?} in this run: check that the job that uploads it ended well")]
    NotFound(String),
    /// Failed read of the stream to upload.
    #[error(
        "reading the stream failed after {at} bytes, nothing was committed: {source}; check the program that writes it"
    )]
    Reader {
        /// Bytes read before the failure.
        at: u64,
        /// Error of the reader.
        source: io::Error,
    },
    /// Failed producer of the stream, with its message. The stream may be truncated.
    #[error("the producer of the stream failed, nothing was committed: {0}; fix that command")]
    ProducerFailed(String),
    /// Stream without a byte.
    #[error("the stream was empty, nothing was committed: check the program that writes it")]
    EmptyStream,
    /// Stream with more blocks than a blob may have.
    #[error("the stream needs more than {limit} blocks of {block_bytes} bytes: use larger blocks")]
    TooManyBlocks {
        /// Largest number of blocks.
        limit: u32,
        /// Size of a block in bytes.
        block_bytes: usize,
    },
    /// Failed write of the downloaded stream.
    #[error("writing the stream failed after {at} bytes: {source}; check the program that reads it")]
    Writer {
        /// Bytes written before the failure.
        at: u64,
        /// Error of the writer.
        source: io::Error,
    },
    /// Artifact whose stored size differs from the listed one.
    #[error("artifact {name:?} has {got} bytes at the blob store, {expected} are listed: send it again")]
    Length {
        /// Name of the artifact.
        name: String,
        /// Listed bytes.
        expected: u64,
        /// Stored bytes.
        got: u64,
    },
    /// Artifact whose digest differs from the listed one.
    #[error("artifact {name:?} is damaged: its digest is {got}, {expected} is listed: send it again")]
    Digest {
        /// Name of the artifact.
        name: String,
        /// Listed digest, `sha256:` and hex.
        expected: String,
        /// Digest of the received bytes.
        got: String,
    },
    /// Artifact that was replaced during its download.
    #[error("artifact {0:?} changed while it was downloaded: run the download again")]
    Changed(String),
    /// Commit gate that did not open.
    #[error("commit gate {}: {why}; write `commit` to this pipe when the stream is whole", path.display())]
    Gate {
        /// Path of the named pipe.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// Failed system call.
    #[error("{what} failed: {source}; remove the cause and run the command again")]
    System {
        /// Attempted operation.
        what: &'static str,
        /// Error of the system.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn answer(what: &'static str, why: impl Into<String>) -> Self {
        Self::Answer { what, why: why.into() }
    }

    /// Refuses a plan with a value that is not within its range.
    pub(crate) fn check_range(within: bool, what: &'static str, expected: &'static str) -> Result<(), Self> {
        if within { Ok(()) } else { Err(Self::BadPlan { what, expected }) }
    }

    /// Whether a retry may help: broken connections and the statuses of a busy service.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Foreign { .. } => true,
            Self::Proxy { transient, .. } => *transient,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether the service may have carried out the request all the same.
    pub(crate) fn may_have_been_done(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Foreign { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 500 | 502 | 503 | 504),
            Self::GaveUp { last, .. } => last.may_have_been_done(),
            _ => false,
        }
    }

    /// Whether the store refuses a signed link, which a new link may cure.
    pub(crate) fn refuses_link(&self) -> bool {
        matches!(self, Self::Status { status: 401 | 403 | 410, .. })
    }

    /// Wait that the service asked for, if any.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// URL without its query, which holds a signature.
pub(crate) fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// What a user can do about an error status.
fn status_fix(status: u16) -> &'static str {
    match status {
        401 | 403 => "use the token of a step that runs now and may do this",
        404 | 410 => "send the image again",
        409 => "use another name",
        _ => "run the job again",
    }
}
