//! An engine in a privileged container of the user's daemon: for machines on which daemons cannot be started beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::EngineError;
use crate::api::api;
use crate::config::EngineConfig;
use crate::names::engine_container;
use crate::private::{START_LIMIT, did_not_start};
use crate::settings::{NO_NETWORK, daemon_json};
use crate::user::{self, HostDaemon};

/// The image of an engine that is used where none is named.
pub const DEFAULT_IMAGE: &str = "docker:dind";
/// Where the folder with the socket is inside the container.
const INSIDE: &str = "/run/handoff";
const DATA: &str = "/var/lib/docker";

/// An engine that runs in a container.
#[derive(Debug)]
pub(crate) struct ContainerEngine {
    /// Folder that the container and the job share.
    shared: PathBuf,
    name: String,
    docker: PathBuf,
    /// Environment of a docker command against the user's daemon.
    env: BTreeMap<String, String>,
}

impl ContainerEngine {
    /// Starts the container and waits until the engine in it answers.
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
        fs::write(&file, daemon_json(config.store)).map_err(EngineError::io("write", &file))?;
        let mut env = env.clone();
        env.insert("DOCKER_HOST".to_owned(), format!("unix://{}", host_daemon.socket.display()));
        let container_engine = Self { shared, name: engine_container(&config.job), docker: docker.to_owned(), env };
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
        args.push(format!("--mount=type=bind,source={},target={INSIDE}", self.shared.display()));
        args.extend([host_daemon.engine_image.clone(), "dockerd".to_owned()]);
        args.push(format!("--host=unix://{INSIDE}/docker.sock"));
        args.push(format!("--config-file={INSIDE}/daemon.json"));
        args.push(format!("--data-root={DATA}"));
        args.extend(NO_NETWORK.map(str::to_owned));
        self.docker(&args).map(|_| ())
    }

    /// A docker command against the user's daemon.
    fn docker<S: AsRef<str>>(&self, args: &[S]) -> Result<String, EngineError> {
        let line = duct::cmd(&self.docker, args.iter().map(AsRef::as_ref)).full_env(&self.env);
        let out = line.stdin_null().stdout_capture().stderr_capture().unchecked().run();
        let out = out.map_err(EngineError::io("run", &self.docker))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if out.status.success() {
            return Ok(format!("{}\n{}", text(&out.stdout), text(&out.stderr)));
        }
        let error = text(&out.stderr);
        Err(EngineError::Api(error.lines().next().unwrap_or("docker run failed").to_owned()))
    }

    fn await_answer(&self, runtime: &tokio::runtime::Runtime) -> Result<(), EngineError> {
        let deadline = Instant::now() + START_LIMIT;
        let answers = || api(&self.socket()).is_ok_and(|api| runtime.block_on(api.ping()).is_ok());
        while !(self.socket().exists() && answers()) {
            let state = self.docker(&["inspect", "--format={{.State.Running}}", &self.name])?;
            let ended = state.trim() != "true";
            if ended || Instant::now() > deadline {
                let text = self.docker(&["logs", &self.name]).unwrap_or_default();
                return Err(did_not_start("the engine's container", &text, ended, self.keep_log()));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(())
    }

    /// Writes what the container has said into the folder that both share.
    fn keep_log(&self) -> PathBuf {
        let log = self.shared.join("engine-container.log");
        let _ = fs::write(&log, self.docker(&["logs", &self.name]).unwrap_or_default());
        log
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.shared.join("docker.sock")
    }

    /// Keeps the log. Whoever wrote the container's name down removes it.
    pub(crate) fn stop(&self) -> Vec<PathBuf> {
        vec![self.keep_log()]
    }
}
