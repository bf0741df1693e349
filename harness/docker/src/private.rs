//! Private engine: containerd and dockerd with private sockets, data and client configuration.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::answers;
use crate::config::EngineConfig;
use crate::restart::{self, DaemonRestart};
use crate::settings::{NO_NETWORK, daemon_json};
use crate::{EngineError, Programs, names, timeouts};

/// Daemons of a private engine, in the order of their start.
#[derive(Debug)]
pub(crate) struct Daemons {
    root: PathBuf,
    env: BTreeMap<String, String>,
    running: Vec<(&'static str, Child)>,
    /// How another program restarts dockerd with a changed configuration.
    pub(crate) restart: DaemonRestart,
}

/// Error of a daemon that did not answer in time, with the last line of its output.
pub(crate) fn did_not_start(program: &str, output: &str, ended: bool, log: PathBuf) -> EngineError {
    let last = output.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("its log is empty").to_owned();
    let limit = timeouts::DAEMON_START.as_secs();
    let reason = if ended { last } else { format!("no answer in {limit} s: {last}") };
    EngineError::DidNotStart { program: program.to_owned(), reason, log }
}

/// Socket of the private engine below a folder.
pub(crate) fn socket(root: &Path) -> PathBuf {
    root.join("docker.sock")
}

impl Daemons {
    /// Starts containerd and dockerd and waits until the engine answers.
    pub(crate) fn start(
        programs: &Programs,
        config: &EngineConfig,
        env: &BTreeMap<String, String>,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Self, EngineError> {
        let containerd_socket = config.root.join("containerd.sock");
        for path in [&socket(&config.root), &containerd_socket] {
            let len = path.as_os_str().len() + ".ttrpc".len();
            if len > 107 {
                return Err(EngineError::SocketPath { path: path.clone(), len });
            }
        }
        let restart = DaemonRestart::below(&config.root);
        let mut daemons = Self { root: config.root.clone(), env: env.clone(), running: Vec::new(), restart };
        daemons.start_containerd(programs, &containerd_socket)?;
        daemons.start_dockerd(programs, config, &containerd_socket, runtime)?;
        Ok(daemons)
    }

    fn start_containerd(&mut self, programs: &Programs, socket: &Path) -> Result<(), EngineError> {
        let root = self.root.display();
        // containerd 1.7 and 2.x both read version 2. The disabled plugins would write to /etc, /opt and /run.
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
        let deadline = Instant::now() + timeouts::DAEMON_START;
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
        let file = self.restart.config.clone();
        fs::write(&file, daemon_json(config.store, programs.has_time_namespaces()))
            .map_err(EngineError::io("write", &file))?;
        let host = format!("unix://{}", socket(&self.root).display());
        let pairs: [(&str, OsString); 7] = [
            ("--containerd", containerd.into()),
            ("--data-root", self.root.join("data").into()),
            ("--exec-root", self.root.join("exec").into()),
            ("--pidfile", self.root.join("dockerd.pid").into()),
            ("--host", host.into()),
            ("--config-file", file.into()),
            ("--cgroup-parent", format!("/{}", names::of_job(&config.job)).into()),
        ];
        let mut args: Vec<OsString> = pairs.into_iter().flat_map(|(k, v)| [k.into(), v]).collect();
        args.extend(NO_NETWORK.map(Into::into));
        args.push("--exec-opt=native.cgroupdriver=cgroupfs".into());
        restart::write_script(&self.restart, &self.root, &programs.program("dockerd")?, &args, &self.env)?;
        self.spawn("dockerd", programs, &args)?;
        let deadline = Instant::now() + timeouts::DAEMON_START;
        while !answers(&socket(&self.root), runtime) {
            self.check_alive("dockerd", deadline)?;
            std::thread::sleep(timeouts::DAEMON_POLL);
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
        self.running.push((name, child));
        Ok(())
    }

    fn check_alive(&mut self, name: &'static str, deadline: Instant) -> Result<(), EngineError> {
        let log = self.log_file(name);
        let ended = self.running.iter_mut().any(|(n, c)| *n == name && !matches!(c.try_wait(), Ok(None)));
        if ended || Instant::now() > deadline {
            return Err(did_not_start(name, &fs::read_to_string(&log).unwrap_or_default(), ended, log));
        }
        Ok(())
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.log"))
    }

    /// Log files of the daemons.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        ["containerd", "dockerd"].iter().map(|n| self.log_file(n)).collect()
    }

    /// Blob of the engine's content store.
    pub(crate) fn read_blob(&self, digest: &str) -> Result<Vec<u8>, EngineError> {
        let hex = digest.trim_start_matches("sha256:");
        let store = self.root.join("containerd/io.containerd.content.v1.content/blobs/sha256");
        let path = store.join(hex);
        fs::read(&path).map_err(EngineError::io("read", &path))
    }

    /// Ends dockerd, also one that has been restarted, then containerd. A daemon that exceeds the limit is killed.
    pub(crate) fn stop(&mut self) {
        restart::stop_successor(&self.root, self.running.iter().map(|(_, child)| child.id()));
        while let Some((_, mut child)) = self.running.pop() {
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let deadline = Instant::now() + timeouts::DAEMON_STOP;
            while matches!(child.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(timeouts::DAEMON_POLL);
            }
        }
    }
}
