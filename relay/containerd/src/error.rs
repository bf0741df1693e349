//! Errors of the client.

use std::path::PathBuf;

use crate::Refusal;

/// Error of a call to containerd.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Engine whose store is not surely understood; nothing was written to it.
    #[error(transparent)]
    NotSure(#[from] Refusal),
    /// Socket without a listening daemon.
    #[error("cannot connect to {}: {source}; check that the daemon runs, and run this as root", socket.display())]
    Connect {
        /// Socket.
        socket: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Broken connection, or an answer that is no gRPC.
    #[error("{call} of containerd broke: {why}; check that containerd runs")]
    Broken {
        /// Called method.
        call: &'static str,
        /// Reason.
        why: String,
    },
    /// Call without an answer in time.
    #[error("{call} of containerd did not answer in {seconds} s; check that its disk is not stuck")]
    TimedOut {
        /// Called method.
        call: &'static str,
        /// Limit.
        seconds: u64,
    },
    /// Error that containerd answered with.
    #[error("{call} of containerd failed ({code:?}): {message}; pull the image instead")]
    Status {
        /// Called method.
        call: &'static str,
        /// Kind of the error.
        code: Code,
        /// Message of containerd.
        message: String,
    },
    /// Answer without the required content.
    #[error("{call} of containerd was answered with something unexpected: {why}; pull the image instead")]
    Answer {
        /// Called method.
        call: &'static str,
        /// Defect of the answer.
        why: String,
    },
    /// Blob whose written bytes are not those that were announced.
    #[error("{digest} is damaged: {why}; send the image again")]
    Damaged {
        /// Announced digest.
        digest: String,
        /// Difference.
        why: String,
    },
    /// Manifest or index that cannot be read, with the reason.
    #[error("the manifest is not usable: {0}; send the image again")]
    Manifest(String),
    /// Text that is no image reference.
    #[error("{0:?} is no image reference: use a name such as app:1 or ghcr.io/me/app:1")]
    Name(String),
    /// Text that is no digest.
    #[error("`{0}` is no digest: use sha256: and 64 hexadecimal digits")]
    Digest(String),
    /// Failure of the system's source of random numbers.
    #[error("no random numbers: {0}; check /dev/urandom")]
    Random(String),
    /// Failure that a test asked the fake for.
    #[error("the fake was asked to fail in {0}; remove the injected failure")]
    Injected(&'static str),
}

/// Status code of gRPC, as far as an import tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Object or lease does not exist.
    NotFound,
    /// Object exists.
    AlreadyExists,
    /// Object is in another state, for example content of another digest.
    FailedPrecondition,
    /// Writer or snapshot that another call holds.
    Unavailable,
    /// Method that this containerd does not have.
    Unimplemented,
    /// Any other code.
    Other(u32),
}

impl Code {
    /// Code of the number in `grpc-status`.
    pub(crate) fn of(number: u32) -> Self {
        match number {
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            9 => Self::FailedPrecondition,
            12 => Self::Unimplemented,
            14 => Self::Unavailable,
            other => Self::Other(other),
        }
    }
}

impl Error {
    /// Whether containerd answered with this code.
    pub fn is(&self, code: Code) -> bool {
        matches!(self, Self::Status { code: found, .. } if *found == code)
    }
}

/// Treats "not found" as nothing, and "exists already" as done.
pub(crate) fn allow<T>(result: Result<T, Error>, code: Code) -> Result<Option<T>, Error> {
    match result {
        Err(error) if error.is(code) => Ok(None),
        other => other.map(Some),
    }
}
