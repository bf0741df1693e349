//! Private engine of the tests, and what is in its store.

use std::fs;
use std::path::{Path, PathBuf};

use handoff_containerd::{Containerd, EngineInfo};
use handoff_docker::{Engine, EngineConfig, Programs, namespace};
use handoff_model::{EngineKind, ImageStore};
use tokio::runtime::Runtime;

use crate::output;

pub struct Rig {
    pub root: PathBuf,
    pub engine: Engine,
    pub runtime: Runtime,
    pub store: Containerd,
    programs: Programs,
}

/// Store of the engine below a folder.
pub async fn open(root: &Path) -> Containerd {
    let info = EngineInfo::read(&root.join("docker.sock")).await.unwrap();
    assert_eq!((info.address.clone(), info.namespace.as_str()), (root.join("containerd.sock"), "moby"));
    Containerd::open(&info).await.unwrap()
}

impl Rig {
    pub fn start(root: &Path) -> Self {
        namespace::mount_private_run(root).unwrap();
        // Overlays need a file system that is none itself.
        output(&duct::cmd!("mount", "-t", "tmpfs", "tmpfs", root));
        let programs = Programs::find().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let config = EngineConfig {
            root: root.to_owned(),
            job: format!("ctrd{}", std::process::id()),
            store: ImageStore::Containerd,
            kind: EngineKind::Private,
            host_daemon: None,
        };
        let engine = Engine::start(&programs, &config, &runtime).unwrap();
        let store = runtime.block_on(open(root));
        Self { root: root.to_owned(), engine, runtime, store, programs }
    }

    pub fn stop(&mut self) {
        self.engine.stop();
    }

    /// Standard output of a docker command.
    pub fn docker(&self, args: &[&str]) -> String {
        output(&self.engine.docker(args))
    }

    /// Standard output of a ctr command in the engine's namespace.
    pub fn ctr(&self, args: &[&str]) -> String {
        let socket = self.root.join("containerd.sock").display().to_string();
        let args = ["--address", &socket, "--namespace", "moby"].iter().chain(args);
        output(&duct::cmd(self.programs.program("ctr").unwrap(), args).full_env(self.programs.child_env()))
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
