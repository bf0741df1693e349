//! Engine of a job: one type for all kinds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bollard::Docker;
use handoff_model::{EngineKind, ImageStore};

use crate::api::api;
use crate::config::EngineConfig;
use crate::private::Daemons;
use crate::restart::DaemonRestart;
use crate::user::store_in_info;
use crate::{EngineError, Programs, capture, container, host, names, private};

/// Running engine of a job.
#[derive(Debug)]
pub struct Engine {
    env: BTreeMap<String, String>,
    docker: PathBuf,
    socket: PathBuf,
    kind: EngineKind,
    store: ImageStore,
    job: String,
    /// Whether the builder in a container has booted.
    booted: AtomicBool,
    backend: EngineBackend,
}

/// Daemon behind the socket.
#[derive(Debug)]
enum EngineBackend {
    /// Private daemons, children of this process.
    Private(Daemons),
    /// Container of the user's daemon.
    Container(container::ContainerEngine),
    /// The user's daemon.
    Host(host::HostEngine),
}

impl Engine {
    /// Starts the engine, or connects to the user's daemon, and waits until it answers. Called in the job's namespaces;
    /// `runtime` drives the API client.
    ///
    /// # Errors
    /// A daemon does not start or does not answer, or the user's daemon has another image store.
    pub fn start(
        programs: &Programs,
        config: &EngineConfig,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Self, EngineError> {
        let docker = programs.program("docker")?;
        let mut env = client_env(programs, &config.root)?;
        let host_daemon =
            || config.host_daemon.as_ref().ok_or_else(|| EngineError::Api("the plan names no daemon".to_owned()));
        let (socket, backend) = match config.kind {
            EngineKind::Private => {
                let daemons = Daemons::start(programs, config, &env, runtime)?;
                (private::socket(&config.root), EngineBackend::Private(daemons))
            }
            EngineKind::Container => {
                let container_engine =
                    container::ContainerEngine::start(&docker, config, host_daemon()?, &env, runtime)?;
                (container_engine.socket(), EngineBackend::Container(container_engine))
            }
            EngineKind::Host => {
                (host_daemon()?.socket.clone(), EngineBackend::Host(host::HostEngine::begin(config, host_daemon()?)?))
            }
        };
        env.insert("DOCKER_HOST".to_owned(), format!("unix://{}", socket.display()));
        let (job, booted) = (config.job.clone(), AtomicBool::new(false));
        Ok(Self { docker, env, socket, kind: config.kind, store: config.store, job, booted, backend })
    }

    /// Kind of engine.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Name of the engine's job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// Whether the builder has booted, see [`Engine::builder_commands`].
    pub fn has_builder(&self) -> bool {
        self.booted.load(Ordering::Relaxed)
    }

    /// Records that the builder has booted.
    pub fn builder_has_booted(&self) {
        self.booted.store(true, Ordering::Relaxed);
    }

    /// Parent cgroup of the job's containers, if this engine accepts a name for one.
    pub(crate) fn cgroup_parent(&self) -> Option<String> {
        let refuses_name = matches!(&self.backend, EngineBackend::Host(host_engine) if !host_engine.plain_cgroups);
        (!refuses_name).then(|| format!("/{}", names::of_job(&self.job)))
    }

    /// Options of every `docker run`, by which the runner finds the job's containers in a shared daemon.
    pub fn run_options(&self) -> Vec<String> {
        let EngineBackend::Host(host_engine) = &self.backend else { return Vec::new() };
        host_engine.run_options()
    }

    /// Client of the engine's API, with the timeout [`timeouts::API_CALL`](crate::timeouts::API_CALL).
    ///
    /// # Errors
    /// The socket does not exist.
    pub fn api(&self) -> Result<Docker, EngineError> {
        api(&self.socket)
    }

    /// Environment of every program that uses this engine, without variables of the user.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Image store that the engine names now: a job may have restarted its engine with another one.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn current_store(&self) -> Result<ImageStore, EngineError> {
        if self.restart().is_none() {
            return Ok(self.store);
        }
        let info = capture(&self.docker(["info", "--format", "{{.Driver}} {{.DriverStatus}}"]), "docker info")?;
        store_in_info(&info).map_err(EngineError::ForeignStore)
    }

    /// How another program restarts the daemon with a changed configuration; none for a daemon that is the user's.
    pub fn restart(&self) -> Option<&DaemonRestart> {
        let EngineBackend::Private(daemons) = &self.backend else { return None };
        Some(&daemons.restart)
    }

    /// Docker command against this engine.
    pub fn docker<I, S>(&self, args: I) -> duct::Expression
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.docker_with(args, &BTreeMap::new())
    }

    /// Docker command against this engine with additional variables.
    pub fn docker_with<I, S>(&self, args: I, extra: &BTreeMap<String, String>) -> duct::Expression
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        duct::cmd(&self.docker, args).full_env(self.env_with(extra))
    }

    /// Environment of this engine's programs with additional variables.
    pub fn env_with(&self, extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.env.iter().chain(extra).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Blob of the engine's content store; none if the store's files are not accessible.
    pub(crate) fn read_blob(&self, digest: &str) -> Option<Result<Vec<u8>, EngineError>> {
        let EngineBackend::Private(daemons) = &self.backend else { return None };
        Some(daemons.read_blob(digest))
    }

    /// Ends the job's daemons. Returns the log files to keep.
    ///
    /// The runner removes the job's objects in the user's daemon, because this process may be killed at any moment.
    pub fn stop(&mut self) -> Vec<PathBuf> {
        match &mut self.backend {
            EngineBackend::Private(daemons) => {
                daemons.stop();
                daemons.logs()
            }
            EngineBackend::Container(container_engine) => container_engine.stop(),
            EngineBackend::Host(_) => Vec::new(),
        }
    }
}

/// Environment of docker and buildx with private configuration folders.
fn client_env(programs: &Programs, root: &Path) -> Result<BTreeMap<String, String>, EngineError> {
    for dir in ["docker/cli-plugins", "buildx", "home", "tmp"] {
        let dir = root.join(dir);
        fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
    }
    let plugin = root.join("docker/cli-plugins/docker-buildx");
    std::os::unix::fs::symlink(&programs.buildx, &plugin).map_err(EngineError::io("link", &plugin))?;
    let mut env = programs.child_env();
    for (name, dir) in [("DOCKER_CONFIG", "docker"), ("BUILDX_CONFIG", "buildx"), ("HOME", "home"), ("TMPDIR", "tmp")] {
        env.insert(name.to_owned(), root.join(dir).display().to_string());
    }
    env.insert("DOCKER_CLI_HINTS".to_owned(), "false".to_owned());
    Ok(env)
}
