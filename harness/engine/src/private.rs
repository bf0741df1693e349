//! A private engine: containerd and dockerd with sockets, data and client configuration of their own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bollard::Docker;
use handoff_model::ImageStore;

use crate::leftovers::cgroup_name;
use crate::{EngineError, Programs};

/// Moving gigabytes through one API call takes longer than bollard's two minutes.
const API_TIMEOUT_S: u64 = 3_600;
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Where and how an engine lives.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for everything the engine writes. Short: sockets live in it.
    pub root: PathBuf,
    /// Name of the job: names its cgroup.
    pub job: String,
    /// Where images are kept.
    pub store: ImageStore,
}

/// An engine that runs.
#[derive(Debug)]
pub struct Engine {
    root: PathBuf,
    job: String,
    env: BTreeMap<String, String>,
    docker: PathBuf,
    socket: PathBuf,
    store: ImageStore,
    /// Whether a builder of its own has booted.
    booted: AtomicBool,
    daemons: Vec<(&'static str, Child)>,
}

impl Engine {
    /// Starts containerd and dockerd and waits until the engine answers. To be called in the job's namespaces.
    ///
    /// `runtime` drives the API client.
    pub fn start(
        programs: &Programs,
        config: &EngineConfig,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Self, EngineError> {
        let root = config.root.clone();
        let socket = root.join("docker.sock");
        let containerd_socket = root.join("containerd.sock");
        for path in [&socket, &containerd_socket] {
            let len = path.as_os_str().len() + ".ttrpc".len();
            if len > 107 {
                return Err(EngineError::SocketPath { path: path.clone(), len });
            }
        }
        for dir in ["docker/cli-plugins", "buildx", "home", "tmp"] {
            let dir = root.join(dir);
            fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
        }
        let plugin = root.join("docker/cli-plugins/docker-buildx");
        std::os::unix::fs::symlink(&programs.buildx, &plugin).map_err(EngineError::io("link", &plugin))?;

        let mut env = programs.child_env();
        for (name, dir) in
            [("DOCKER_CONFIG", "docker"), ("BUILDX_CONFIG", "buildx"), ("HOME", "home"), ("TMPDIR", "tmp")]
        {
            env.insert(name.to_owned(), root.join(dir).display().to_string());
        }
        env.insert("DOCKER_HOST".to_owned(), format!("unix://{}", socket.display()));
        env.insert("DOCKER_CLI_HINTS".to_owned(), "false".to_owned());

        let mut engine = Self {
            docker: programs.program("docker")?,
            root: root.clone(),
            job: config.job.clone(),
            env,
            socket,
            store: config.store,
            booted: AtomicBool::new(false),
            daemons: Vec::new(),
        };
        engine.start_containerd(programs, &containerd_socket)?;
        engine.start_dockerd(programs, config, &containerd_socket, runtime)?;
        Ok(engine)
    }

    fn start_containerd(&mut self, programs: &Programs, socket: &Path) -> Result<(), EngineError> {
        let root = self.root.display();
        // Version 2 is read by containerd 1.7 and 2.x alike. The disabled parts would write to /etc, /opt and /run.
        let config = format!(
            r#"version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
[grpc]
address = "{socket}"
[ttrpc]
address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{root}/opt"
"#,
            socket = socket.display()
        );
        let file = self.root.join("containerd.toml");
        fs::write(&file, config).map_err(EngineError::io("write", &file))?;
        self.spawn("containerd", programs, &["--config".into(), file.into()])?;
        let deadline = Instant::now() + START_LIMIT;
        while !socket.exists() {
            self.check_alive("containerd", deadline)?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn start_dockerd(
        &mut self,
        programs: &Programs,
        config: &EngineConfig,
        containerd: &Path,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<(), EngineError> {
        let features = serde_json::json!({
            "features": { "containerd-snapshotter": config.store == ImageStore::Containerd },
        });
        let mut settings = features;
        if config.store == ImageStore::Overlay2 {
            settings["storage-driver"] = "overlay2".into();
        }
        let file = self.root.join("daemon.json");
        fs::write(&file, settings.to_string()).map_err(EngineError::io("write", &file))?;
        let host = format!("unix://{}", self.socket.display());
        let pairs: [(&str, OsString); 7] = [
            ("--containerd", containerd.into()),
            ("--data-root", self.root.join("data").into()),
            ("--exec-root", self.root.join("exec").into()),
            ("--pidfile", self.root.join("dockerd.pid").into()),
            ("--host", host.into()),
            ("--config-file", file.into()),
            ("--cgroup-parent", format!("/{}", cgroup_name(&config.job)).into()),
        ];
        let mut args: Vec<OsString> = pairs.into_iter().flat_map(|(k, v)| [k.into(), v]).collect();
        for flag in
            ["--bridge=none", "--iptables=false", "--ip6tables=false", "--exec-opt=native.cgroupdriver=cgroupfs"]
        {
            args.push(flag.into());
        }
        self.spawn("dockerd", programs, &args)?;
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers(runtime) {
            self.check_alive("dockerd", deadline)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn spawn(&mut self, name: &'static str, programs: &Programs, args: &[OsString]) -> Result<(), EngineError> {
        let log = self.log_file(name);
        let out = File::create(&log).map_err(EngineError::io("create", &log))?;
        let err = out.try_clone().map_err(EngineError::io("open", &log))?;
        let program = programs.program(name)?;
        let child = Command::new(&program)
            .args(args)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(EngineError::io("start", &program))?;
        self.daemons.push((name, child));
        Ok(())
    }

    fn check_alive(&mut self, name: &'static str, deadline: Instant) -> Result<(), EngineError> {
        let log = self.log_file(name);
        let ended = self.daemons.iter_mut().any(|(n, c)| *n == name && !matches!(c.try_wait(), Ok(None)));
        if ended || Instant::now() > deadline {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("it said nothing").to_owned();
            let reason = if ended { last } else { format!("no answer in {} s: {last}", START_LIMIT.as_secs()) };
            return Err(EngineError::DidNotStart { program: name.to_owned(), reason, log });
        }
        Ok(())
    }

    fn answers(&self, runtime: &tokio::runtime::Runtime) -> bool {
        self.socket.exists() && self.api().is_ok_and(|api| runtime.block_on(api.ping()).is_ok())
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.log"))
    }

    /// The logs of the daemons.
    pub fn logs(&self) -> Vec<PathBuf> {
        ["containerd", "dockerd"].iter().map(|n| self.log_file(n)).collect()
    }

    /// A client of the engine's API, with a time-out that gigabytes fit in.
    pub fn api(&self) -> Result<Docker, EngineError> {
        let path = self.socket.display().to_string();
        Ok(Docker::connect_with_unix(&path, API_TIMEOUT_S, bollard::API_DEFAULT_VERSION)?)
    }

    /// The environment of every program that talks to this engine: nothing of the user's is in it.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Name of the job whose engine this is.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// Whether the builder has booted, see [`Engine::builder_commands`].
    pub fn has_builder(&self) -> bool {
        self.booted.load(Ordering::Relaxed)
    }

    /// Notes that the builder has booted.
    pub fn builder_has_booted(&self) {
        self.booted.store(true, Ordering::Relaxed);
    }

    /// Where images are kept.
    pub fn store(&self) -> ImageStore {
        self.store
    }

    /// A docker command against this engine.
    pub fn docker<I, S>(&self, args: I) -> duct::Expression
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.docker_with(args, &BTreeMap::new())
    }

    /// A docker command against this engine with more variables.
    pub fn docker_with<I, S>(&self, args: I, extra: &BTreeMap<String, String>) -> duct::Expression
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        duct::cmd(&self.docker, args).full_env(self.env_with(extra))
    }

    /// The environment of this engine's programs with more variables.
    pub fn env_with(&self, extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.env.iter().chain(extra).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// A blob of the engine's content store, where it has one.
    pub fn read_blob(&self, digest: &str) -> Result<Vec<u8>, EngineError> {
        let hex = digest.trim_start_matches("sha256:");
        let store = self.root.join("containerd/io.containerd.content.v1.content/blobs/sha256");
        let path = store.join(hex);
        fs::read(&path).map_err(EngineError::io("read", &path))
    }

    /// Ends dockerd, then containerd. What does not end in time is ended with the namespace.
    pub fn stop(&mut self) {
        while let Some((_, mut child)) = self.daemons.pop() {
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let deadline = Instant::now() + STOP_LIMIT;
            while matches!(child.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
