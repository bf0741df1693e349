//! Private engine of the tests, and what is in its store.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use handoff_containerd::{Containerd, EngineInfo};
use tokio::runtime::Runtime;

use crate::output;

pub struct Rig {
    pub root: PathBuf,
    pub runtime: Runtime,
    pub store: Containerd,
    daemons: Vec<Child>,
    path: String,
}

/// Store of the engine below a folder.
pub async fn open(root: &Path) -> Containerd {
    let info = EngineInfo::read(&root.join("docker.sock")).await.unwrap();
    assert_eq!((info.address.clone(), info.namespace.as_str()), (root.join("containerd.sock"), "moby"));
    Containerd::open(&info).await.unwrap()
}

/// `PATH` with the engine of set-up in front.
fn path() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let prefix = var("HANDOFF_ENGINE_PREFIX").or_else(|| Some(var("HANDOFF_HOME")? + "/engine"));
    let rest = std::env::var("PATH").unwrap();
    prefix.map(|p| format!("{p}/usr/sbin:{p}/usr/bin:{rest}")).unwrap_or(rest)
}

impl Rig {
    /// Starts containerd and dockerd, whose files vanish with the mount namespace.
    pub fn start(root: &Path) -> Self {
        // Overlays need a file system that is none itself.
        output(&duct::cmd!("mount", "--make-rprivate", "/"));
        output(&duct::cmd!("mount", "-t", "tmpfs", "tmpfs", root));
        Self::start_in(root)
    }

    /// Starts both in a folder whose file system is not an overlay, in a mount namespace of its own.
    pub fn start_in(root: &Path) -> Self {
        output(&duct::cmd!("mount", "--make-rprivate", "/"));
        output(&duct::cmd!("mount", "-t", "tmpfs", "tmpfs", "/run"));
        let path = path();
        let dir = root.display();
        // The disabled plugins would write to /etc, /opt and /run.
        let config = format!(
            r#"version = 2
root = "{dir}/containerd"
state = "{dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
[grpc]
address = "{dir}/containerd.sock"
[ttrpc]
address = "{dir}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{dir}/opt"
"#
        );
        fs::write(root.join("containerd.toml"), config).unwrap();
        fs::write(root.join("daemon.json"), r#"{"features":{"containerd-snapshotter":true}}"#).unwrap();
        link_buildx(root, &path);
        let containerd = spawn(root, &path, "containerd", &format!("--config {dir}/containerd.toml"));
        wait(root, "containerd", || root.join("containerd.sock").exists());
        let args = format!(
            "--containerd {dir}/containerd.sock --data-root {dir}/data --exec-root {dir}/exec --pidfile {dir}/dockerd.pid \
             --host unix://{dir}/docker.sock --config-file {dir}/daemon.json --bridge=none --iptables=false \
             --ip6tables=false --userland-proxy=false --exec-opt=native.cgroupdriver=cgroupfs"
        );
        let dockerd = spawn(root, &path, "dockerd", &args);
        let version = || docker(root, &path, &["version"]).stdout_null().stderr_null().unchecked().run();
        wait(root, "dockerd", || version().is_ok_and(|out| out.status.success()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let store = runtime.block_on(open(root));
        Self { root: root.to_owned(), runtime, store, daemons: vec![dockerd, containerd], path }
    }

    pub fn stop(&mut self) {
        for daemon in &mut self.daemons {
            output(&duct::cmd!("kill", daemon.id().to_string()));
            daemon.wait().unwrap();
        }
    }

    /// Docker command against the engine.
    pub fn docker_command(&self, args: &[&str]) -> duct::Expression {
        docker(&self.root, &self.path, args)
    }

    /// Standard output of a docker command.
    pub fn docker(&self, args: &[&str]) -> String {
        output(&self.docker_command(args))
    }

    /// Status of a container of the image, which has no network.
    pub fn run(&self, image: &str) -> Option<i32> {
        self.docker_command(&["run", "--rm", "--network=none", image]).unchecked().run().unwrap().status.code()
    }

    /// Standard output of a ctr command in the engine's namespace.
    pub fn ctr(&self, args: &[&str]) -> String {
        let socket = self.root.join("containerd.sock").display().to_string();
        let ctr = ["ctr", "--address", &socket, "--namespace", "moby"];
        output(&duct::cmd("env", ctr.iter().chain(args)).env("PATH", &self.path))
    }

    /// Lets containerd collect garbage, and waits for it.
    pub fn collect(&self) {
        self.ctr(&["leases", "create", "--id", "forced", "--expires", "1h"]);
        self.ctr(&["leases", "delete", "--sync", "forced"]);
    }

    /// All that is in the store, as lines.
    pub fn contents(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for args in [
            &["images", "ls", "-q"][..],
            &["content", "ls", "-q"],
            &["content", "active"],
            &["snapshots", "--snapshotter", "overlayfs", "ls"],
            &["leases", "ls", "-q"],
        ] {
            let text = self.ctr(args);
            // Tables have a line of titles. dockerd's own leases come and go.
            let titles = ["REF", "KEY"];
            let is_entry = |l: &&str| !l.is_empty() && !titles.iter().any(|t| l.starts_with(t));
            let is_ours = |l: &&str| args[0] != "leases" || l.starts_with("handoff-");
            lines.extend(text.lines().filter(is_entry).filter(is_ours).map(|l| format!("{}: {l}", args[0])));
        }
        let folders = fs::read_dir(self.store.facts().root.join("snapshots")).unwrap();
        lines.extend(folders.map(|f| format!("folder {}", f.unwrap().path().display())));
        lines
    }

    #[track_caller]
    pub fn assert_empty(&self) {
        assert_eq!(self.contents(), Vec::<String>::new());
    }
}

fn docker(root: &Path, path: &str, args: &[&str]) -> duct::Expression {
    duct::cmd("env", ["docker"].iter().chain(args))
        .env("PATH", path)
        .env("DOCKER_HOST", format!("unix://{}/docker.sock", root.display()))
        .env("DOCKER_CONFIG", root.join("client"))
}

/// Gives the private client the plugin of set-up's engine. The client finds the machine's own plugin anyway.
fn link_buildx(root: &Path, path: &str) {
    let plugins = root.join("client/cli-plugins");
    fs::create_dir_all(&plugins).unwrap();
    let folders = ["../libexec/docker/cli-plugins", "../lib/docker/cli-plugins"];
    let mut found = path.split(':').flat_map(|bin| folders.map(|f| Path::new(bin).join(f).join("docker-buildx")));
    if let Some(plugin) = found.find_map(|p| p.canonicalize().ok()) {
        std::os::unix::fs::symlink(plugin, plugins.join("docker-buildx")).unwrap();
    }
}

fn log(root: &Path, name: &str) -> PathBuf {
    root.join(format!("{name}.log"))
}

fn spawn(root: &Path, path: &str, name: &str, args: &str) -> Child {
    let out = File::create(log(root, name)).unwrap();
    let err = out.try_clone().unwrap();
    let mut command = Command::new("env");
    command.arg(name).args(args.split_whitespace()).env("PATH", path);
    command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap()
}

fn wait(root: &Path, name: &str, mut is_up: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_up() {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(log(root, name)).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Static program that ends with status 7: an ELF header, one segment, and two system calls' worth of code.
pub fn seven() -> Vec<u8> {
    let (machine, code): (u16, &[u8]) = if cfg!(target_arch = "aarch64") {
        (183, &[0xa8, 0x0b, 0x80, 0xd2, 0xe0, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4])
    } else {
        (62, &[0xb8, 0x3c, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05])
    };
    let size = (120 + code.len()) as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    elf.extend(machine.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    for word in [0x40_0078_u64, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend([1_u32, 5].iter().flat_map(|w| w.to_le_bytes()));
    for word in [0, 0x40_0000, 0x40_0000, size, size, 0x1000_u64] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}
