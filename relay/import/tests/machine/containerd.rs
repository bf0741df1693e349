//! Private containerd with images that its own client imported.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::common::archive::{Item, ItemKind, archive};

/// Longest start of the daemon.
const START: Duration = Duration::from_mins(1);
/// Type of every layer.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// Running containerd. Dropping it ends it and removes its data.
pub struct Containerd {
    dir: tempfile::TempDir,
    daemon: Child,
}

/// Layer as containerd gets it.
pub struct Blob {
    pub data: Vec<u8>,
    pub digest: String,
}

impl Blob {
    pub fn new(data: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&data)));
        Self { data, digest }
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.data.len()})
    }

    fn item(&self) -> Item {
        let name = format!("blobs/{}", self.digest.replace(':', "/"));
        Item::new(&name, ItemKind::File(self.data.clone()))
    }
}

fn program(name: &str) -> PathBuf {
    let prefix = std::env::var_os("HANDOFF_ENGINE_PREFIX").expect("no engine is known: run this by `make test`");
    Path::new(&prefix).join("usr/bin").join(name)
}

impl Containerd {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display();
        let config = format!(
            r#"version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
[grpc]
address = "{root}/s"
[ttrpc]
address = "{root}/t"
[plugins."io.containerd.internal.v1.opt"]
path = "{root}/opt"
"#
        );
        fs::write(dir.path().join("config.toml"), config).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let daemon = Command::new(program("containerd"))
            .arg("--config")
            .arg(dir.path().join("config.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("no engine: run `make setup`");
        let engine = Self { dir, daemon };
        let deadline = Instant::now() + START;
        while !engine.dir.path().join("s").exists() {
            let log = fs::read_to_string(engine.dir.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "containerd did not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        engine
    }

    /// Folder on the file system of the snapshots.
    pub fn staging(&self) -> &Path {
        self.dir.path()
    }

    /// Imports images and unpacks them.
    pub fn import(&self, images: &[Vec<Blob>]) {
        let mut files = vec![Item::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)];
        let mut manifests = Vec::new();
        for (i, layers) in images.iter().enumerate() {
            let diff_ids: Vec<&str> = layers.iter().map(|l| &l.digest[..]).collect();
            let config = json!({"architecture": "amd64", "os": "linux", "config": {"Env": [format!("IMAGE={i}")]},
                "rootfs": {"type": "layers", "diff_ids": diff_ids}});
            let config = Blob::new(config.to_string().into_bytes());
            let layers_json: Vec<Value> = layers.iter().map(|l| l.descriptor(LAYER_TYPE)).collect();
            let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config.descriptor("application/vnd.oci.image.config.v1+json"), "layers": layers_json});
            let manifest = Blob::new(manifest.to_string().into_bytes());
            let mut entry = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
            entry["annotations"] = json!({"io.containerd.image.name": format!("test.local/image:{i}")});
            manifests.push(entry);
            files.extend([config.item(), manifest.item()]);
            files.extend(layers.iter().map(Blob::item));
        }
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        files.push(Item::file("index.json", &index.to_string()));
        let file = self.dir.path().join("images.tar");
        fs::write(&file, archive(&files)).unwrap();
        self.ctr(&["images", "import", "--local", "--snapshotter", "overlayfs", file.to_str().unwrap()]);
        fs::remove_file(file).unwrap();
    }

    /// Folders of an image's layers, uppermost first.
    pub fn layer_folders(&self, key: &str, layers: &[Blob]) -> Vec<PathBuf> {
        let chain = layers.iter().fold(String::new(), |below, layer| match &below[..] {
            "" => layer.digest.clone(),
            _ => format!("sha256:{}", hex::encode(Sha256::digest(format!("{below} {}", layer.digest)))),
        });
        let mounts = self.ctr(&["snapshots", "--snapshotter", "overlayfs", "view", "--mounts", key, &chain]);
        let mounts: Value = serde_json::from_str(&mounts).unwrap_or_else(|e| panic!("{e}: {mounts}"));
        if mounts[0]["Type"] == "bind" {
            return vec![mounts[0]["Source"].as_str().unwrap().into()];
        }
        let options = mounts[0]["Options"].as_array().unwrap();
        let lower = options.iter().find_map(|o| o.as_str()?.strip_prefix("lowerdir=")).unwrap();
        lower.split(':').map(PathBuf::from).collect()
    }

    fn ctr(&self, args: &[&str]) -> String {
        let mut ctr = Command::new(program("ctr"));
        let output = ctr.arg("--address").arg(self.dir.path().join("s")).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.daemon.wait();
    }
}
