//! Errors of engines, each with its fix.

use std::path::PathBuf;

use handoff_machine::FileError;
use handoff_model::ImageStore;

/// Reason why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Program that is not installed.
    #[error("{0} not found: run `make setup` (it unpacks an engine into a private folder), or install it")]
    MissingProgram(String),
    /// Version of Docker that no set of programs has.
    #[error(
        "--engine-version {asked}: no engine of that version is here ({found}): {}; `handoff doctor` lists the engines",
        if asked == "29" { "run `make engine-29`".to_owned() } else { format!("put the programs of Docker {asked} on PATH") }
    )]
    NoVersion {
        /// Requested version.
        asked: String,
        /// Versions that are there, with the names of their sets.
        found: String,
    },
    /// Program that is too old.
    #[error("{program} is {found}, at least {floor} is needed: run `make setup`")]
    TooOld {
        /// Program.
        program: String,
        /// Version found.
        found: String,
        /// Oldest version that works.
        floor: String,
    },
    /// Program that does not run.
    #[error("{program} does not run: {error}; install it again, for example with `make setup`")]
    Unusable {
        /// Program.
        program: String,
        /// Its error.
        error: String,
    },
    /// Process without root, which namespaces and mounts need.
    #[error("engines need root: run handoff with sudo, or as root in a virtual machine")]
    NotRoot,
    /// Path that is too long for a unix socket.
    #[error("{path} is too long for a unix socket ({len} of 107 bytes): choose a shorter --work-dir")]
    SocketPath {
        /// Socket.
        path: PathBuf,
        /// Length in bytes.
        len: usize,
    },
    /// Daemon that did not start.
    #[error("{program} did not start: {reason}; read its log {log}")]
    DidNotStart {
        /// Daemon.
        program: String,
        /// Last line of its log.
        reason: String,
        /// Log file.
        log: PathBuf,
    },
    /// Daemon on another machine, by its address.
    #[error(
        "DOCKER_HOST is {0}: a daemon elsewhere cannot reach the service on this machine's loopback; use a local daemon (DOCKER_HOST=unix:///var/run/docker.sock), or --engine private"
    )]
    NotLocal(String),
    /// Socket at which no daemon answers.
    #[error("no Docker daemon answers at {socket}: {error}; start it, set DOCKER_HOST, or use --engine private")]
    NoDaemon {
        /// Socket.
        socket: PathBuf,
        /// Error of the client.
        error: String,
    },
    /// Socket of a daemon in a virtual machine.
    #[error(
        "the daemon at {0} is Docker Desktop, whose virtual machine cannot reach the service on this machine's loopback; use a Linux daemon on this machine, or --engine private"
    )]
    VirtualMachine(PathBuf),
    /// Storage driver of a daemon that is neither the containerd store nor overlay2.
    #[error(
        "the daemon uses the storage driver {0}: configure the containerd store or overlay2, or use --engine private"
    )]
    ForeignStore(String),
    /// Daemon with another image store than requested.
    #[error(
        "--image-store {asked}: the daemon has the {has} store, which --engine host cannot change; use --image-store {has}"
    )]
    OtherStore {
        /// Requested store.
        asked: ImageStore,
        /// Store of the daemon.
        has: ImageStore,
    },
    /// Image that the daemon lacks and that Handoff never pulls by itself.
    #[error(
        "the daemon has no image {0}, and handoff pulls none: run `docker pull {0}` or `handoff doctor --build-engine-image`"
    )]
    NoImage(String),
    /// Builder's image that the user's daemon lacks.
    #[error(
        "the daemon has no image {image}, and --engine host adds none: run `{}`",
        tar.as_ref().map_or_else(|| format!("docker pull {image}"), |tar| {
            format!("docker load --input {}", handoff_model::shell::quote(&tar.to_string_lossy()))
        })
    )]
    NoBuildkit {
        /// Image reference.
        image: String,
        /// Tar of the image, if it was built here.
        tar: Option<PathBuf>,
    },
    /// Object in the user's daemon with a name that a job needs.
    #[error("the daemon already has a {0}, and a job would create and remove one of that name: rename or remove it")]
    NameTaken(String),
    /// Limit of a job's disk that this machine or this engine cannot hold.
    #[error(
        "the profile limits the jobs' disk, which is not possible here: {0}; measure without the limit by `disk=none`, for example --profile github-hosted:disk=none"
    )]
    NoDiskLimit(String),
    /// Rule of another program, or of an interrupted run, for the loop device of a job.
    #[error(
        "block device {device} of the job is limited to {rate} bytes/s by a rule that this run did not set: run `handoff clean --remove`, or, if no other program needs the rule, `echo '{device} 0' > {file}`"
    )]
    DiskRule {
        /// Device as `major:minor`.
        device: String,
        /// Rate of the rule.
        rate: u64,
        /// File with the rule.
        file: PathBuf,
    },
    /// Failed file operation.
    #[error(transparent)]
    File(#[from] FileError),
    /// Failed command, with the last lines of its output.
    #[error("{command} failed: {error}; run it by hand for its whole output")]
    Command {
        /// Command.
        command: String,
        /// Last lines of its output.
        error: String,
    },
    /// Image of a `docker-container` builder that cannot be built or used.
    #[error("BuildKit image: {0}; name another image with --buildkit-image")]
    BuildkitImage(String),
    /// Error of the engine.
    #[error("the Docker engine failed: {0}; check its log")]
    Api(String),
}

impl EngineError {
    /// Names the operation and the path of an I/O error.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let named = FileError::on(what, path);
        move |source| named(source).into()
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Api(error.to_string())
    }
}
