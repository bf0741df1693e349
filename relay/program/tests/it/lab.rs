//! A service, a transfer in it, and the program with its files.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use handoff_registry::{Digest, PushRegistry, Settings, StoreKind};
use handoff_services::{Service, ServiceConfig, TokenSpec};
use handoff_storage::ServiceEndpoint;

/// Media type of the manifest.
const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Notes its arguments. Its version is Docker's, and all else succeeds.
const DOCKER: &str = "#!/bin/sh\necho \"$*\" >> \"$DOCKER_CALLS\"\necho 'Docker version 28.5.2'\n";

pub struct Lab {
    service: Service,
    dir: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("store")).unwrap();
        let service = Service::start_blocking(ServiceConfig::new(dir.path().join("store"))).unwrap();
        let lab = Self { service, dir };
        lab.docker(DOCKER);
        lab
    }

    /// Replaces the script that stands for `docker`.
    pub fn docker(&self, script: &str) {
        let path = self.path("bin/docker");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Content of a file of the lab; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The program, with the variables of a job.
    pub fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handoff-relay"));
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.args(args).env_clear().env("PATH", path).env("DOCKER_CALLS", self.path("calls"));
        command.env("ACTIONS_RESULTS_URL", self.service.base_url());
        command.env("ACTIONS_RUNTIME_TOKEN", self.service.mint(TokenSpec::default()));
        command.env("GITHUB_OUTPUT", self.path("outputs"));
        command
    }

    /// Sends an image of one small layer as `name`; returns its digest.
    pub fn send(&self, name: &str, reference: &str) -> String {
        let token = self.service.mint(TokenSpec::default());
        let endpoint = ServiceEndpoint { results_url: self.service.base_url(), token };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let sender = PushRegistry::start(StoreKind::Artifact, endpoint, name, &Settings::default()).await.unwrap();
            let registry = sender.registry();
            tokio::task::spawn_blocking(move || push(&registry)).await.unwrap();
            sender.commit(&[(reference, "1")]).await.unwrap().digest.unwrap()
        })
    }
}

/// Pushes an image of one layer.
fn push(registry: &str) {
    let layer = vec![7; 3000];
    let config = format!(r#"{{"os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#, Digest::of(&layer));
    let described = |kind: &str, blob: &[u8]| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{}","size":{}}}"#,
            Digest::of(blob),
            blob.len()
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{TYPE}","config":{},"layers":[{}]}}"#,
        described("config.v1+json", config.as_bytes()),
        described("layer.v1.tar", &layer)
    );
    for blob in [config.as_bytes(), &layer] {
        let path = format!("/v2/app/blobs/uploads/?digest={}", Digest::of(blob));
        assert_eq!(call(registry, "POST", &path, "application/octet-stream", blob), 201);
    }
    assert_eq!(call(registry, "PUT", "/v2/app/manifests/1", TYPE, manifest.as_bytes()), 201);
}

fn call(registry: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(registry).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {registry}\r\nconnection: close\r\n");
    let _ = write!(head, "content-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Runs the program to its end; panics with its output unless the exit code is the expected one. Returns stdout and stderr.
pub fn expect(command: &mut Command, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{command:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    (stdout, stderr)
}
