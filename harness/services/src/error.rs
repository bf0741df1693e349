//! Errors of starting a service and of controlling its process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Error of starting or controlling a service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Address that is taken or not local.
    #[error("cannot listen on {addr}: {source}; choose another address or port (0 takes a free one)")]
    Bind {
        /// Configured address.
        addr: SocketAddr,
        /// Error of the system.
        source: io::Error,
    },
    /// Unusable folder for blobs.
    #[error("cannot use {} as the store: {source}; give a folder that can be written", path.display())]
    Store {
        /// Folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Failure to start a thread or to draw random bytes.
    #[error("cannot start the service: {0}; free some memory or processes")]
    System(#[source] io::Error),
    /// Service program that cannot be started.
    #[error("cannot start the service process {program}: {source}; check that it may be executed")]
    Spawn {
        /// Command line.
        program: String,
        /// Error of the system.
        source: io::Error,
    },
    /// Service process that ended, or whose pipes broke.
    #[error("the service process ended: {0}; run the command again")]
    Lost(String),
    /// Error answer of the service process.
    #[error("the service process refused a request: {0}; remove the cause and run the command again")]
    Refused(String),
    /// Malformed line of the control protocol.
    #[error("cannot read the service process's answer {line:?}: {reason}; report this, it is a bug in handoff")]
    Protocol {
        /// Line as read.
        line: String,
        /// Reason.
        reason: String,
    },
    /// Failure to read requests or write answers.
    #[error("the control pipe of the service process failed: {0}; run the command again")]
    Pipe(#[source] io::Error),
}
