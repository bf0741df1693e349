//! What can go wrong outside the wire: starting the service, and talking to it as a process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the service cannot be started or reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The address is taken, or not one of this machine.
    #[error("cannot listen on {addr}: {source}; choose another address or port (0 takes a free one)")]
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder for stored blobs cannot be made or written.
    #[error("cannot use {} as the store: {source}; give a folder that can be written", path.display())]
    Store {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The machine refuses a thread or random bytes.
    #[error("cannot start the service: {0}; free some memory or processes")]
    System(#[source] io::Error),
    /// The program that should be the service cannot be started.
    #[error("cannot start the service process {program}: {source}; check that it may be executed")]
    Spawn {
        /// The command line.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The service's process ended or its pipes broke.
    #[error("the service process ended: {0}; run the command again")]
    Lost(String),
    /// The service's process answered with an error.
    #[error("the service process refused a request: {0}; report this, it is a bug in handoff")]
    Refused(String),
    /// A line of the control protocol that is not what it should be.
    #[error("cannot read the service process's answer {line:?}: {reason}; report this, it is a bug in handoff")]
    Protocol {
        /// The line as read.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading requests or writing answers failed.
    #[error("the control pipe of the service process failed: {0}; run the command again")]
    Pipe(#[source] io::Error),
}
