//! Engine in a privileged container of the user's daemon, for machines on which no second daemon can run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::api::answers;
use crate::command::{capture, run};
use crate::config::EngineConfig;
use crate::private::did_not_start;
use crate::settings::{NO_NETWORK, daemon_json};
use crate::user::{self, HostDaemon};
use crate::{EngineError, names, timeouts};

/// Default image of an engine in a container.
pub const DEFAULT_IMAGE: &str = "docker:dind";
/// Folder with the socket inside the container.
const SOCKET_DIR: &str = "/run/handoff";
const DATA: &str = "/var/lib/docker";

/// Engine that runs in a container.
#[derive(Debug)]
pub(crate) struct ContainerEngine {
    /// Folder shared by the container and the job.
    shared: PathBuf,
    name: String,
    docker: PathBuf,
    /// Environment of docker commands against the user's daemon.
    env: BTreeMap<String, String>,
}

impl ContainerEngine {
    /// Starts the container and waits until its engine answers.
    pub(crate) fn start(
        docker: &Path,
        config: &EngineConfig,
        host_daemon: &HostDaemon,
        env: &BTreeMap<String, String>,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Self, EngineError> {
        let shared = config.root.join("s");
        fs::create_dir_all(&shared).map_err(EngineError::io("create", &shared))?;
        let file = shared.join("daemon.json");
        fs::write(&file, daemon_json(config.store, true)).map_err(EngineError::io("write", &file))?;
        let mut env = env.clone();
        env.insert("DOCKER_HOST".to_owned(), format!("unix://{}", host_daemon.socket.display()));
        let container_engine = Self { shared, name: names::of_job(&config.job), docker: docker.to_owned(), env };
        container_engine.run(config, host_daemon)?;
        container_engine.await_answer(runtime)?;
        Ok(container_engine)
    }

    fn run(&self, config: &EngineConfig, host_daemon: &HostDaemon) -> Result<(), EngineError> {
        let labels = user::labels(&host_daemon.run, &config.job);
        let volume_labels = labels.iter().map(|(k, v)| format!(",volume-label={k}={v}")).collect::<Vec<_>>().concat();
        let mut args: Vec<String> =
            ["run", "--detach", "--privileged", "--pull=never", "--network=host"].map(str::to_owned).to_vec();
        args.extend(["--name".to_owned(), self.name.clone()]);
        args.extend(labels.iter().flat_map(|(k, v)| ["--label".to_owned(), format!("{k}={v}")]));
        args.push(format!("--mount=type=volume,source={},target={DATA}{volume_labels}", self.name));
        args.push(format!("--mount=type=bind,source={},target={SOCKET_DIR}", self.shared.display()));
        args.extend([host_daemon.engine_image.clone(), "dockerd".to_owned()]);
        args.push(format!("--host=unix://{SOCKET_DIR}/docker.sock"));
        args.push(format!("--config-file={SOCKET_DIR}/daemon.json"));
        args.push(format!("--data-root={DATA}"));
        args.extend(NO_NETWORK.map(str::to_owned));
        capture(&self.docker(&args), "docker run").map(drop)
    }

    /// Docker command against the user's daemon.
    fn docker<S: AsRef<str>>(&self, args: &[S]) -> duct::Expression {
        duct::cmd(&self.docker, args.iter().map(AsRef::as_ref)).full_env(&self.env)
    }

    fn await_answer(&self, runtime: &tokio::runtime::Runtime) -> Result<(), EngineError> {
        let deadline = Instant::now() + timeouts::DAEMON_START;
        while !answers(&self.socket(), runtime) {
            let inspect = self.docker(&["inspect", "--format={{.State.Running}}", &self.name]);
            let ended = capture(&inspect, "docker inspect")? != "true";
            if ended || Instant::now() > deadline {
                return Err(did_not_start("the engine's container", &self.log(), ended, self.keep_log()));
            }
            std::thread::sleep(timeouts::CONTAINER_POLL);
        }
        Ok(())
    }

    /// Output of the container so far.
    fn log(&self) -> String {
        let logs = self.docker(&["logs", &self.name]).stderr_to_stdout();
        run(&logs).map(|output| output.stdout).unwrap_or_default()
    }

    /// Writes the container's output into the shared folder.
    fn keep_log(&self) -> PathBuf {
        let log = self.shared.join("engine-container.log");
        let _ = fs::write(&log, self.log());
        log
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.shared.join("docker.sock")
    }

    /// Keeps the log. The runner, which recorded the container's name, removes the container.
    pub(crate) fn stop(&self) -> Vec<PathBuf> {
        vec![self.keep_log()]
    }
}
