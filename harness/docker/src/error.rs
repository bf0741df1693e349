//! What can go wrong with an engine, each with its mend.

use std::path::PathBuf;

use handoff_model::ImageStore;

/// An engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A program is not there.
    #[error("{0} not found: run `make setup` (it unpacks an engine into a private folder), or install it")]
    MissingProgram(String),
    /// A program is too old.
    #[error("{program} is {found}, at least {floor} is needed: run `make setup`")]
    TooOld {
        /// The program.
        program: String,
        /// Its version.
        found: String,
        /// The oldest that serves.
        floor: String,
    },
    /// A program did not say its version.
    #[error("{program} does not run: {error}; install it again, for example with `make setup`")]
    Unusable {
        /// The program.
        program: String,
        /// What it said.
        error: String,
    },
    /// Namespaces and mounts need root.
    #[error("engines need root: run handoff with sudo, or as root in a virtual machine")]
    NotRoot,
    /// A path is too long for a unix socket.
    #[error("{path} is too long for a unix socket ({len} of 107 bytes): choose a shorter --work-dir")]
    SocketPath {
        /// The socket.
        path: PathBuf,
        /// Its length.
        len: usize,
    },
    /// A daemon did not come up.
    #[error("{program} did not start: {reason}; read its log {log}")]
    DidNotStart {
        /// The daemon.
        program: String,
        /// Its last line, or that it was silent.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// The daemon is on another machine, at this address.
    #[error(
        "DOCKER_HOST is {0}: a daemon elsewhere cannot reach the service on this machine's loopback; use a local daemon (DOCKER_HOST=unix:///var/run/docker.sock), or --engine private"
    )]
    NotLocal(String),
    /// No daemon answers.
    #[error("no Docker daemon answers at {socket}: {error}; start it, set DOCKER_HOST, or use --engine private")]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        error: String,
    },
    /// The daemon behind this socket lives in a virtual machine.
    #[error(
        "the daemon at {0} is Docker Desktop's: its virtual machine cannot reach the service on 127.0.0.1; use a Linux daemon of this machine, or --engine private"
    )]
    VirtualMachine(PathBuf),
    /// The daemon keeps images with a storage driver that is no level of the experiment.
    #[error(
        "the daemon keeps images with the {0} driver: use a daemon with the containerd store or overlay2, or --engine private"
    )]
    ForeignStore(String),
    /// The daemon keeps images in another store.
    #[error(
        "--image-store {asked}: the daemon has the {has} store, and --engine host takes it as it is; use --image-store {has}"
    )]
    OtherStore {
        /// What was asked.
        asked: ImageStore,
        /// What it has.
        has: ImageStore,
    },
    /// The daemon lacks an image that is never pulled on our own.
    #[error(
        "the daemon has no image {0}, and handoff pulls none: run `docker pull {0}` or `handoff doctor --build-engine-image`"
    )]
    NoImage(String),
    /// The user's daemon lacks the builder's image.
    #[error(
        "the daemon has no image {image}, and --engine host adds none: run `{}`",
        tar.as_ref().map_or_else(|| format!("docker pull {image}"), |tar| {
            format!("docker load --input {}", handoff_model::shell::quote(&tar.to_string_lossy()))
        })
    )]
    NoBuildkit {
        /// The image.
        image: String,
        /// Its tar, if it was made here.
        tar: Option<PathBuf>,
    },
    /// Something in the user's daemon has a name that a job would use.
    #[error("the daemon has a {0} already, which a job would create and remove: rename or remove it")]
    NameTaken(String),
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}{}", handoff_model::io_fix(source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The image of a `docker-container` builder cannot be made or used.
    #[error("BuildKit image: {0}; name another image with --buildkit-image")]
    BuildkitImage(String),
    /// The engine answered with an error.
    #[error("the Docker engine failed: {0}; check its log")]
    Api(String),
}

impl EngineError {
    /// Names the operation and the path of an I/O error.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Api(error.to_string())
    }
}
