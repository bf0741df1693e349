//! Private engine with overlay2, and scripts that restart it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use handoff_relay::store_switch::{Root, Step, StoreSwitchArgs};

use crate::output;

/// Configuration file before the switch; its bytes must come back. Docker 29 puts containers into time namespaces, which
/// older versions of runc do not know.
const CONFIG: &str = "{\r\n\t\"storage-driver\": \"overlay2\", \"features\":{\"time-namespaces\":false} }";

/// What must be as before.
#[derive(Debug, PartialEq)]
pub struct State {
    pub config: String,
    mode: u32,
    files: Vec<String>,
    driver: String,
    images: String,
    containers: String,
}

pub struct Rig {
    root: PathBuf,
}

/// `PATH` with the engine of set-up in front.
fn path() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let prefix = var("HANDOFF_ENGINE_PREFIX").or_else(|| Some(var("HANDOFF_HOME")? + "/engine"));
    let rest = std::env::var("PATH").unwrap();
    prefix.map(|p| format!("{p}/usr/sbin:{p}/usr/bin:{rest}")).unwrap_or(rest)
}

impl Rig {
    /// Rig that is started.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Starts containerd and dockerd, whose files vanish with the mount namespace.
    pub fn start(root: &Path) -> Self {
        output(&duct::cmd!("mount", "--make-rprivate", "/"));
        output(&duct::cmd!("mount", "-t", "tmpfs", "tmpfs", "/run"));
        // Overlays need a file system that is none itself.
        output(&duct::cmd!("mount", "-t", "tmpfs", "tmpfs", root));
        let rig = Self::of(root);
        let dir = root.display();
        for folder in ["etc", "scripts"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        fs::write(rig.config(), CONFIG).unwrap();
        fs::set_permissions(rig.config(), fs::Permissions::from_mode(0o604)).unwrap();
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
        let start = format!(
            "setsid dockerd --containerd {dir}/containerd.sock --data-root {dir}/data --exec-root {dir}/exec \
             --pidfile {dir}/dockerd.pid --host unix://{dir}/docker.sock --config-file {dir}/etc/daemon.json \
             --bridge=none --iptables=false --ip6tables=false --userland-proxy=false \
             --exec-opt=native.cgroupdriver=cgroupfs >>{dir}/dockerd.log 2>&1 &"
        );
        let stop = format!(
            "kill $(cat {dir}/dockerd.pid) 2>/dev/null\n\
             # Nobody reaps the process here: it has ended when its file is gone.\n\
             while [ -e {dir}/dockerd.pid ]; do sleep 0.02; done"
        );
        rig.script("start", &start);
        rig.script("restart", &format!("{stop}\n{start}"));
        rig.script("stop", &stop);
        rig.script("fails", "echo cannot restart; exit 7");
        let only = format!("{stop}\ngrep -q snapshotter {dir}/etc/daemon.json && exit 8\n{start}");
        rig.script("only-old-store", &only);
        rig.script(
            "containerd",
            &format!("setsid containerd --config {dir}/containerd.toml >{dir}/containerd.log 2>&1 &"),
        );
        output(&duct::cmd!(rig.program("containerd")));
        rig.wait("containerd", || root.join("containerd.sock").exists());
        output(&duct::cmd!(rig.program("start")));
        rig.wait("dockerd", || rig.docker_command(&["version"]).stdout_null().stderr_null().run().is_ok());
        rig.import("old:1");
        rig
    }

    pub fn stop_daemon(&self) {
        output(&duct::cmd!(self.program("stop")));
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn config(&self) -> PathBuf {
        self.root.join("etc/daemon.json")
    }

    pub fn root<'a>(&self, observe: &'a dyn Fn(Step)) -> Root<'a> {
        Root { ledgers: self.root.join("lib/ledgers"), caller: None, observe }
    }

    /// Arguments of a switch with one of the rig's scripts.
    pub fn switch_args(&self, script: &str) -> StoreSwitchArgs {
        StoreSwitchArgs {
            endpoint: format!("unix://{}/docker.sock", self.root.display()),
            daemon_config: None,
            restart_command: Some(self.program(script).display().to_string()),
        }
    }

    pub fn state(&self) -> State {
        let mut files: Vec<String> = fs::read_dir(self.root.join("etc"))
            .unwrap()
            .chain(fs::read_dir(self.root.join("lib")).into_iter().flatten())
            .map(|entry| entry.unwrap().path().display().to_string())
            .collect();
        files.sort();
        State {
            config: fs::read_to_string(self.config()).unwrap(),
            mode: fs::metadata(self.config()).unwrap().permissions().mode() & 0o7777,
            files,
            driver: self.docker(&["info", "--format", "{{.Driver}}"]),
            images: sorted(&self.docker(&["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])),
            containers: self.docker(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"]),
        }
    }

    /// Imports an image of one layer.
    pub fn import(&self, name: &str) {
        let mut tar = tar::Builder::new(Vec::new());
        for program in ["work", "buildkitd", "buildctl"] {
            let bytes = program_that_waits();
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, format!("bin/{program}"), &bytes[..]).unwrap();
        }
        let file = self.root.join("image.tar");
        fs::write(&file, tar.into_inner().unwrap()).unwrap();
        self.docker(&["import", file.to_str().unwrap(), name]);
    }

    /// Standard output of a docker command.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> String {
        output(&self.docker_command(args))
    }

    fn docker_command(&self, args: &[&str]) -> duct::Expression {
        duct::cmd("env", ["docker"].iter().chain(args))
            .env("PATH", path())
            .env("DOCKER_HOST", format!("unix://{}/docker.sock", self.root.display()))
            .env("DOCKER_CONFIG", self.root.join("client"))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.root.join("scripts").join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let file = self.program(name);
        fs::write(&file, format!("#!/bin/sh\nexport PATH={}\n{text}\n", path())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn wait(&self, name: &str, is_up: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while !is_up() {
            let log = || File::open(self.root.join(format!("{name}.log"))).and_then(std::io::read_to_string);
            assert!(Instant::now() < deadline, "{}", log().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Static program that waits for ever: an ELF header, one segment, and a system call in a loop.
fn program_that_waits() -> Vec<u8> {
    let (machine, code): (u16, &[u8]) = if cfg!(target_arch = "aarch64") {
        // ppoll of nothing.
        let registers =
            [0x28, 0x09, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 1, 0, 0x80, 0xd2, 2, 0, 0x80, 0xd2, 3, 0, 0x80, 0xd2];
        let call = [4, 0, 0x80, 0xd2, 1, 0, 0, 0xd4, 0xf9, 0xff, 0xff, 0x17];
        (183, &[&registers[..], &call].concat().leak()[..])
    } else {
        // pause.
        (62, &[0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7])
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

/// Lines in order: images that were made in the same second have none of their own.
fn sorted(lines: &str) -> String {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
