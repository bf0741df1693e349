//! Errors of the switch.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Reason why the store is not switched. Nothing was changed. Its text is one line: what, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Machine that is no hosted runner, without `=force`.
    #[error(
        "--store-switch restarts the engine, and RUNNER_ENVIRONMENT is not github-hosted; use --store-switch=force if \
         this machine may be without its engine for some seconds"
    )]
    NotHosted,
    /// User who is neither root nor may become root.
    #[error(
        "--store-switch needs root, and sudo does not give it without a password ({0}); run this as root, or leave \
         --store-switch out"
    )]
    NoRoot(String),
    /// Engine that is not behind a local socket.
    #[error("--store-switch needs an engine of this machine, not {0:?}; unset DOCKER_HOST or use unix:///PATH")]
    Endpoint(String),
    /// Engine that does not describe itself.
    #[error("the engine behind {} does not answer: {why}; start it first", socket.display())]
    NoEngine {
        /// Socket.
        socket: PathBuf,
        /// Reason.
        why: String,
    },
    /// Version of Docker before 25.
    #[error("Docker {0:?} is older than 25, whose containerd store is not complete; update Docker")]
    Old(String),
    /// Engine that the switch does not know.
    #[error("the store of this engine is not switched: {0}; leave --store-switch out, the image is then pulled")]
    Engine(String),
    /// Containers that a restart would stop or start.
    #[error("a restart of the engine would disturb {0}; {1}, or leave --store-switch out")]
    Containers(String, &'static str),
    /// Daemon whose command line or environment chooses the store.
    #[error("dockerd was started with {0}, which daemon.json cannot override; remove it from dockerd's service")]
    Flag(String),
    /// `--daemon-config` that dockerd does not read.
    #[error("dockerd reads {}, not {}; leave --daemon-config out", read.display(), given.display())]
    OtherConfig {
        /// File that dockerd reads.
        read: PathBuf,
        /// File of the option.
        given: PathBuf,
    },
    /// Daemon that the default restart command would not restart.
    #[error("dockerd (process {0}) does not run in docker.service; use --restart-command CMD")]
    NotSystemd(u32),
    /// Configuration file that is not rewritten, with the reason and the remedy.
    #[error("{} {why}", path.display())]
    Config {
        /// File.
        path: PathBuf,
        /// Reason and remedy.
        why: String,
    },
    /// Another process that switches or restores this engine.
    #[error("another process switches or restores this engine ({} is locked); wait for it", .0.display())]
    Busy(PathBuf),
}

impl Refusal {
    /// Refusal of a configuration file.
    pub(crate) fn config(path: &Path, why: impl Into<String>) -> Self {
        Self::Config { path: path.to_owned(), why: why.into() }
    }
}

/// Kind of an error, which decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Nothing was changed.
    Refused,
    /// The engine has its old store again.
    RolledBack,
    /// The engine is not as before: the message says what to do.
    Unfinished,
    /// Any other failure.
    Failed,
}

/// Error of a switch or of its undoing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchError {
    /// Switch that is not tried; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Switch that failed and was undone.
    #[error("the store was not switched: {0}; the engine has its old daemon.json and its old store again")]
    RolledBack(String),
    /// Switch that failed, and whose undoing failed too.
    #[error("the store was not switched: {why}; undoing it failed too: {undo}")]
    NotRolledBack {
        /// Failure of the switch.
        why: String,
        /// Failure of the undoing.
        undo: String,
    },
    /// Configuration file that someone changed after the switch.
    #[error(
        "{} was changed after the switch and is left as it is; turn features.containerd-snapshotter off in it, restart \
         docker, and remove {} (which has the earlier file)", config.display(), ledger.display()
    )]
    Edited {
        /// Configuration file.
        config: PathBuf,
        /// Ledger.
        ledger: PathBuf,
    },
    /// Engine that does not come back with the old file.
    #[error("{} is as before, but the engine is not: {why}; restart docker, then run restore-store again", config.display())]
    NotBack {
        /// Configuration file.
        config: PathBuf,
        /// Reason.
        why: String,
    },
    /// Ledger that cannot be read.
    #[error("the ledger {} is not readable: {why}; compare daemon.json by hand, then remove it", path.display())]
    Ledger {
        /// Ledger.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// Error of the system.
    #[error("cannot {what} {}: {source}; check that its disk is writable and not full", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Error that the part with root reported.
    #[error("{message}")]
    Reported {
        /// Kind.
        kind: ErrorKind,
        /// Message.
        message: String,
    },
    /// Part with root that gave no answer.
    #[error("{program} gave no answer ({why}); run handoff-relay restore-store")]
    NoAnswer {
        /// Program.
        program: String,
        /// Its end and its last line.
        why: String,
    },
}

impl SwitchError {
    /// Error of the system.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// Kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) => ErrorKind::Refused,
            Self::RolledBack(_) => ErrorKind::RolledBack,
            Self::NotRolledBack { .. } | Self::Edited { .. } | Self::NotBack { .. } | Self::NoAnswer { .. } => {
                ErrorKind::Unfinished
            }
            Self::Ledger { .. } | Self::Io { .. } => ErrorKind::Failed,
            Self::Reported { kind, .. } => *kind,
        }
    }

    /// Exit code of a program that ends with the error: 3 if this machine lacks something, else 4.
    pub fn exit_code(&self) -> u8 {
        if self.kind() == ErrorKind::Refused { 3 } else { 4 }
    }
}
